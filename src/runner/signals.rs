//! The signals that ask us to end.
//!
//! They reach us, not the tests: GitHub's runner signals only the process that it started (SIGINT,
//! 7.5 s later SIGTERM, 2.5 s later SIGKILL), and the tests have a process group of their own. So
//! each run passes them on in the way that lets pytest end well, see [`super::host`].
//!
//! A handler, where there might be none, also does two other things: PID 1 of a container would
//! ignore the signals without one, and a shell starts `command &` with SIGINT ignored, which would
//! be inherited by pytest for ever; but a signal with a handler becomes the default one in a child
//! (exec(2) in POSIX), so pytest gets its `KeyboardInterrupt`.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// Two signals within this time are one wish: a terminal sends Ctrl-C to us and to a parent that
/// passes it on.
const ONE_PRESS: Duration = Duration::from_millis(500);

/// How urgent it is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    #[default]
    None,
    /// End well.
    Stop,
    /// A second signal: end now.
    Hurry,
    /// A third one, or SIGQUIT: kill everything.
    Kill,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    urgency: Urgency,
    /// The first signal; 0 before it.
    signal: i32,
}

impl State {
    fn pressed(&mut self, signal: i32) {
        self.urgency = match self.urgency {
            _ if signal == Signal::QUIT.as_raw() => Urgency::Kill,
            Urgency::None => Urgency::Stop,
            Urgency::Stop => Urgency::Hurry,
            Urgency::Hurry | Urgency::Kill => Urgency::Kill,
        };
        if self.signal == 0 {
            self.signal = signal;
        }
    }
}

/// What the signals so far ask for; every run of a shard has a clone.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts(watch::Receiver<State>);

impl Interrupts {
    /// Handles SIGINT, SIGTERM, SIGHUP and SIGQUIT from here on. To be called inside the runtime
    /// and before the first child is started.
    pub(crate) fn install() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        // nohup means that the end of the terminal is not the end of the run.
        let mut hangup = if is_ignored(Signal::HUP) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let (sender, receiver) = watch::channel(State::default());
        tokio::spawn(async move {
            let mut last: Option<Instant> = None;
            loop {
                let came = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::INT,
                    Some(()) = terminate.recv() => Signal::TERM,
                    Some(()) = quit.recv() => Signal::QUIT,
                    Some(()) = next(hangup.as_mut()) => Signal::HUP,
                    else => return,
                };
                if came == Signal::QUIT || last.is_none_or(|last| last.elapsed() >= ONE_PRESS) {
                    sender.send_modify(|state| state.pressed(came.as_raw()));
                }
                last = Some(Instant::now());
            }
        });
        Ok(Self(receiver))
    }

    /// The first signal that came.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.0.borrow().signal).filter(|signal| *signal != 0)
    }

    /// Waits until it is more urgent than that.
    pub(crate) async fn more_urgent_than(&mut self, urgency: Urgency) -> Urgency {
        let state = self
            .0
            .wait_for(|state| state.urgency > urgency)
            .await
            .map(|state| state.urgency);
        match state {
            Ok(urgency) => urgency,
            // Nobody is left to send one.
            Err(_) => std::future::pending().await,
        }
    }
}

async fn next(signal: Option<&mut tokio::signal::unix::Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

const NAMES: [(Signal, &str); 11] = [
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::ILL, "SIGILL"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::KILL, "SIGKILL"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::PIPE, "SIGPIPE"),
    (Signal::TERM, "SIGTERM"),
];

/// `SIGINT`, as people know it.
pub(crate) fn name(signal: i32) -> String {
    let found = NAMES.iter().find(|(known, _)| known.as_raw() == signal);
    found.map_or_else(
        || format!("signal {signal}"),
        |(_, name)| (*name).to_owned(),
    )
}

/// The signal with such a name.
pub(crate) fn parse(name: &str) -> Option<Signal> {
    let found = NAMES.iter().find(|(_, known)| *known == name);
    found.map(|(signal, _)| *signal)
}

/// Whether a signal is ignored by us; only Linux tells.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    mask & (1 << (signal.as_raw() - 1)) != 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Signals that a test sends itself.
    pub(in crate::runner) struct Fingers(watch::Sender<State>);

    impl Fingers {
        pub(in crate::runner) fn new() -> (Self, Interrupts) {
            let (sender, receiver) = watch::channel(State::default());
            (Self(sender), Interrupts(receiver))
        }

        pub(in crate::runner) fn press(&self, signal: i32) {
            self.0.send_modify(|state| state.pressed(signal));
        }
    }

    #[tokio::test]
    async fn each_signal_is_more_urgent_than_the_one_before() {
        let (fingers, mut interrupts) = Fingers::new();
        assert_eq!(interrupts.signal(), None);
        fingers.press(15);
        assert_eq!(
            interrupts.more_urgent_than(Urgency::None).await,
            Urgency::Stop
        );
        fingers.press(2);
        fingers.press(2);
        assert_eq!(
            interrupts.more_urgent_than(Urgency::Stop).await,
            Urgency::Kill
        );
        assert_eq!(interrupts.signal(), Some(15));
    }

    #[tokio::test]
    async fn a_quit_is_the_most_urgent() {
        let (fingers, mut interrupts) = Fingers::new();
        fingers.press(Signal::QUIT.as_raw());
        assert_eq!(
            interrupts.more_urgent_than(Urgency::None).await,
            Urgency::Kill
        );
    }
}
