//! What fleets use while they run, as the daemon measures it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::engine::{QUICK, docker};
use super::watch::Lives;
use crate::model::fleet_use::{FLEET_USE_VERSION, FleetUse};

/// A short suite is measured at least once; of a long one each measurement is a smaller part.
const FIRST: Duration = Duration::from_secs(2);
const MOST: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(500);

/// How much of all processors in use means that the fleets kept each other waiting.
const FULL: f64 = 0.85;

/// Measures now and then until it is dropped.
#[derive(Debug)]
pub(super) struct Gauge {
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Bytes by fleet.
    memory: BTreeMap<String, u64>,
    /// Processors that one fleet whose tests ran kept busy, by sample.
    processors: Vec<f64>,
    /// Samples in which all processors were in use.
    full: usize,
}

impl Gauge {
    /// `app`: the service whose containers run the tests. `processors`: of the machine.
    pub(super) fn start(lives: watch::Receiver<Lives>, app: String, processors: f64) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let reader = tokio::spawn(async move {
            let (mut pause, mut measured) = (FIRST, 0);
            loop {
                tokio::time::sleep(pause).await;
                let running = lives.borrow().running();
                // Fleets that only start tell nothing, and are to lose no time.
                if !running.iter().any(|name| is_of(name, &app)) {
                    pause = AGAIN;
                    continue;
                }
                let format = "{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}";
                let mut arguments = vec!["stats", "--no-stream", "--format", format];
                arguments.extend(running.iter().map(String::as_str));
                pause = match docker(&arguments, QUICK).await {
                    Ok(told) => {
                        let mut seen = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.take(&told, &app, processors);
                        measured += 1;
                        FIRST.mul_f64(1.5_f64.powi(measured)).min(MOST)
                    }
                    // A container that ended meanwhile spoils it.
                    Err(_) => AGAIN,
                };
            }
        });
        Self { seen, reader }
    }

    /// The most memory that a fleet was seen to use, in bytes.
    pub(super) fn memory(&self, fleet: &str) -> Option<u64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.memory.get(fleet).copied()
    }

    /// What one fleet uses; `None` if that was not seen.
    pub(super) fn of_one(&self) -> Option<FleetUse> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.of_one()
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Seen {
    fn take(&mut self, told: &str, app: &str, processors: f64) {
        let mut fleets: BTreeMap<&str, (u64, f64, bool)> = BTreeMap::new();
        for line in told.lines() {
            let mut cells = line.split('\t');
            let (Some(name), Some(share), Some(memory)) =
                (cells.next(), cells.next(), cells.next())
            else {
                continue;
            };
            let Some(fleet) = fleet_of(name) else {
                continue;
            };
            let share = share.trim_end_matches('%').parse::<f64>();
            let of_fleet = fleets.entry(fleet).or_default();
            of_fleet.0 += bytes(memory).unwrap_or_default();
            of_fleet.1 += share.unwrap_or_default() / 100.0;
            of_fleet.2 |= is_of(name, app);
        }
        let all: f64 = fleets.values().map(|(_, busy, _)| busy).sum();
        let is_full = all >= FULL * processors;
        for (fleet, (memory, busy, has_tests)) in fleets {
            let most = self.memory.entry(fleet.to_owned()).or_default();
            *most = memory.max(*most);
            if has_tests {
                self.processors.push(busy);
                self.full += usize::from(is_full);
            }
        }
    }

    fn of_one(&self) -> Option<FleetUse> {
        let memory = self.memory.values().copied().max()?;
        let samples = u32::try_from(self.processors.len()).ok()?;
        if samples == 0 {
            return None;
        }
        let mean = self.processors.iter().sum::<f64>() / f64::from(samples);
        let was_full = self.full * 2 > self.processors.len();
        Some(FleetUse {
            version: FLEET_USE_VERSION,
            memory,
            processors: if was_full { mean.max(1.0) } else { mean },
        })
    }
}

/// Whether a container is that of a fleet's `service`, which has no number of its own.
fn is_of(container: &str, service: &str) -> bool {
    let rest = fleet_of(container).map(|fleet| &container[fleet.len()..]);
    rest.is_some_and(|rest| rest.trim_start_matches(['-', '_']) == service)
}

/// `pp-1234abcd-3` of `pp-1234abcd-3-redis-1`; compose v1 joins with `_`.
fn fleet_of(container: &str) -> Option<&str> {
    let mut joints = container.match_indices(['-', '_']);
    let (end, _) = joints.nth(2)?;
    Some(&container[..end])
}

/// `12.5MiB / 23.5GiB`: the first of both, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let used = text.split('/').next()?.trim();
    let unit = used.find(|letter: char| letter.is_ascii_alphabetic())?;
    let number: f64 = used[..unit].trim().parse().ok()?;
    let scale = match &used[unit..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates when it becomes an integer"
    )]
    let bytes = (number * scale) as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "pp-1234abcd-1-app\t60.00%\t100MiB / 23.5GiB\n\
        pp-1234abcd-1-redis-1\t10.00%\t1.5MiB / 23.5GiB\n\
        pp-1234abcd-2-db-1\t20.00%\t1GiB / 23.5GiB\n";

    #[test]
    fn adds_up_what_belongs_to_a_fleet() {
        let mut seen = Seen::default();
        seen.take(TWO, "app", 2.0);
        assert_eq!(seen.memory["pp-1234abcd-1"], (101 << 20) + (1 << 19));
        // The second one had no tests yet.
        assert_eq!(seen.processors.len(), 1);
        let one = seen.of_one().expect("samples");
        assert_eq!(one.memory, 1 << 30);
        assert!((one.processors - 0.7).abs() < 1e-9);
    }

    #[test]
    fn fleets_that_wait_for_a_processor_would_use_more() {
        let mut seen = Seen::default();
        seen.take(TWO, "app", 1.0);
        assert!((seen.of_one().expect("samples").processors - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_nobody_saw_is_not_known() {
        let mut seen = Seen::default();
        seen.take("--\t--\t-- / --\nx\t1%\n", "app", 2.0);
        assert_eq!(seen.of_one(), None);
        for text in ["", "-- / --", "1.5XB / 2GiB", "x"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(bytes("512B / 1GiB"), Some(512));
        assert_eq!(fleet_of("pp-1234abcd-3_redis_1"), Some("pp-1234abcd-3"));
    }
}
