//! Waits until servers accept connections.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What one attempt may take; packets to a container that is just starting may go nowhere.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// `db:5432`, `127.0.0.1:80` or `[::1]:5432`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// Without brackets.
    host: String,
    port: u16,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TargetError {
    #[error("`{0}` is not an address: write HOST:PORT, such as db:5432")]
    Shape(String),
    #[error("`{0}` is not an address: write an IPv6 address in brackets, such as [::1]:5432")]
    Brackets(String),
    #[error("`{0}` names no port: ports run from 1 to 65535")]
    Port(String),
}

impl Target {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let shape = || TargetError::Shape(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
        let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
            Some(inside) => inside.ok_or_else(shape)?,
            None if host.contains(':') => return Err(TargetError::Brackets(text.to_owned())),
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "[]/@".contains(c)) {
            return Err(shape());
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(TargetError::Port(text.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(out, "[{host}]:{port}")
        } else {
            write!(out, "{host}:{port}")
        }
    }
}

/// A target that never accepted, and what happened at the last attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreached {
    pub(crate) target: Target,
    pub(crate) error: String,
}

/// Waits for all targets at once; tells `accepted` which accepted, and after what time. Returns
/// those that did not within the limit, in the order given.
pub(crate) async fn wait(
    targets: &[Target],
    limit: Duration,
    mut accepted: impl FnMut(&Target, Duration),
) -> Vec<Unreached> {
    let start = Instant::now();
    // An hour that nobody can wait for is as good as one that cannot be counted.
    let deadline = start
        .checked_add(limit)
        .unwrap_or_else(|| start + Duration::from_secs(1 << 30));
    let mut waiting = JoinSet::new();
    for (index, target) in targets.iter().cloned().enumerate() {
        waiting.spawn(async move { (index, until_accepted(&target, deadline).await) });
    }
    let mut unreached = Vec::new();
    while let Some(ended) = waiting.join_next().await {
        match ended {
            Ok((index, Ok(()))) => accepted(&targets[index], start.elapsed()),
            Ok((index, Err(error))) => {
                unreached.push((
                    index,
                    Unreached {
                        target: targets[index].clone(),
                        error,
                    },
                ));
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    unreached.sort_by_key(|(index, _)| *index);
    unreached
        .into_iter()
        .map(|(_, unreached)| unreached)
        .collect()
}

async fn until_accepted(target: &Target, deadline: Instant) -> Result<(), String> {
    let mut last = "no attempt was made".to_owned();
    loop {
        let until = deadline.min(Instant::now() + ATTEMPT);
        match timeout_at(until, attempt(target)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => last = error,
            // Cut short by the deadline, it says less than the attempt before.
            Err(_) if until < deadline => "no answer".clone_into(&mut last),
            Err(_) if last == "no attempt was made" => "no answer".clone_into(&mut last),
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(last);
        }
        sleep(PAUSE).await;
    }
}

/// One try on every address that the name has now; in a fleet it may get another one at any time.
async fn attempt(target: &Target) -> Result<(), String> {
    let addresses = lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<_> = addresses.map_err(|error| reason(&error))?.collect();
    let share = ATTEMPT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = reason(&error),
            Err(_) => "no answer".clone_into(&mut last),
        }
    }
    Err(last)
}

/// `connection refused` and not `Connection refused (os error 111)`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(text);
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::TcpListener;

    fn target(text: &str) -> Target {
        text.parse().expect("a target")
    }

    fn closed_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    }

    #[test]
    fn reads_hosts_and_ports() {
        for text in ["db:5432", "127.0.0.1:80", "[::1]:5432", "my-db.internal:1"] {
            assert_eq!(target(text).to_string(), text);
        }
        let message = |text: &str| text.parse::<Target>().expect_err(text).to_string();
        assert_eq!(
            message("db"),
            "`db` is not an address: write HOST:PORT, such as db:5432"
        );
        assert_eq!(
            message("::1:5432"),
            "`::1:5432` is not an address: write an IPv6 address in brackets, such as [::1]:5432"
        );
        for text in ["db:0", "db:65536", "db:", "db:-1", "db:http"] {
            assert_eq!(
                message(text),
                format!("`{text}` names no port: ports run from 1 to 65535")
            );
        }
        for text in [":80", "[]:80", "[::1:80", "a b:80", "u@h:80"] {
            assert!(
                matches!(text.parse::<Target>(), Err(TargetError::Shape(_))),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn waits_for_all_and_tells_when_each_accepts() {
        let open = TcpListener::bind("127.0.0.1:0").expect("a port");
        let now = Target {
            host: "127.0.0.1".into(),
            port: open.local_addr().expect("an address").port(),
        };
        let port = closed_port();
        let later = Target {
            host: "127.0.0.1".into(),
            port,
        };
        let server = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port again");
            let _ = listener.accept();
        });
        let mut told = Vec::new();
        let tell = |target: &Target, after: Duration| told.push((target.clone(), after));
        let unreached = wait(&[later.clone(), now.clone()], Duration::from_secs(20), tell).await;
        assert_eq!(unreached, []);
        assert_eq!(
            told.iter()
                .map(|(target, _)| target.clone())
                .collect::<Vec<_>>(),
            [now, later]
        );
        assert!(told[1].1 >= Duration::from_millis(400));
        server.join().expect("the server");
    }

    #[tokio::test]
    async fn names_those_that_never_accept() {
        let refused = Target {
            host: "127.0.0.1".into(),
            port: closed_port(),
        };
        let unknown = target("no-such-host.invalid:1");
        let start = Instant::now();
        let limit = Duration::from_millis(500);
        let unreached = wait(&[unknown.clone(), refused.clone()], limit, |_, _| {}).await;
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(unreached[0].target, unknown);
        assert_eq!(
            unreached[1],
            Unreached {
                target: refused,
                error: "connection refused".into()
            }
        );
    }

    #[tokio::test]
    async fn speaks_ipv6() {
        // Some machines have none.
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            return;
        };
        let port = listener.local_addr().expect("an address").port();
        let unreached = wait(
            &[target(&format!("[::1]:{port}"))],
            Duration::from_secs(10),
            |_, _| {},
        )
        .await;
        assert_eq!(unreached, []);
    }

    proptest! {
        #[test]
        fn an_address_is_read_back(host in "[a-z0-9.-]{1,9}|[0-9a-f]{0,2}::[0-9a-f]{1,2}", port in 1_u16..) {
            let target = Target { host, port };
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }
    }
}
