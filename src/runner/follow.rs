//! A growing `events.jsonl`, read while pytest writes it, and what it says about the run so far.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use crate::pytest::events::{Event, PhaseOutcome};

/// A longer line is skipped: only the output of a test is that long, and nobody here needs it.
const LINE_BYTES: usize = 8 << 20;

/// Reads what was added since the last look.
#[derive(Debug)]
pub(crate) struct Follower {
    path: Utf8PathBuf,
    inode: u64,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    pending: Vec<u8>,
    is_skipping: bool,
}

impl Follower {
    /// The file need not exist yet.
    pub(crate) fn new(path: impl Into<Utf8PathBuf>) -> Self {
        Self {
            path: path.into(),
            inode: 0,
            offset: 0,
            pending: Vec::new(),
            is_skipping: false,
        }
    }

    /// The whole new lines. Unreadable ones are skipped; a file that shrank or was replaced is read again.
    pub(crate) fn poll(&mut self) -> io::Result<Vec<Event>> {
        let mut file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.ino() != self.inode || metadata.len() < self.offset {
            *self = Self::new(std::mem::take(&mut self.path));
            self.inode = metadata.ino();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut events = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                return Ok(events);
            }
            self.offset += length as u64;
            self.take(&buffer[..length], &mut events);
        }
    }

    fn take(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.is_skipping {
                self.pending.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                if let Ok(event) = serde_json::from_slice(&self.pending) {
                    events.push(event);
                }
                self.pending.clear();
                self.is_skipping = false;
            } else if self.pending.len() > LINE_BYTES {
                self.pending = Vec::new();
                self.is_skipping = true;
            }
        }
    }
}

/// How far a shard is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// How many tests it will run; `None` until it knows.
    pub(crate) collected: Option<usize>,
    pub(crate) started: usize,
    pub(crate) finished: usize,
    /// Finished tests with a failed setup, call or teardown.
    pub(crate) failed: usize,
    /// In the order of their start.
    pub(crate) running: Vec<Running>,
}

/// A test that has started and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) id: String,
    /// When we saw it start. Not what the log says: the clock of the day may jump.
    pub(crate) since: Instant,
    has_failed: bool,
}

impl Progress {
    /// Adds an event that was read at `now`.
    pub(crate) fn apply(&mut self, event: &Event, now: Instant) {
        match event {
            // What ran in a session before was cut off with it.
            Event::Session { .. } | Event::End { .. } => self.running.clear(),
            Event::Items { items, .. } => {
                self.collected = Some(self.collected.unwrap_or(0) + items.len());
            }
            Event::Start { id, .. } => {
                self.started += 1;
                self.running.push(Running {
                    id: id.clone(),
                    since: now,
                    has_failed: false,
                });
            }
            Event::Phase(phase) if phase.outcome == PhaseOutcome::Failed => {
                if let Some(test) = self.running.iter_mut().find(|test| test.id == phase.id) {
                    test.has_failed = true;
                }
            }
            Event::Finish { id, .. } => {
                self.finished += 1;
                if let Some(at) = self.running.iter().position(|test| test.id == *id) {
                    self.failed += usize::from(self.running.remove(at).has_failed);
                }
            }
            _ => {}
        }
    }

    /// The test that runs for longest, if that is at least `limit`.
    pub(crate) fn hanging(&self, limit: Duration, now: Instant) -> Option<&Running> {
        let longest = self.running.iter().min_by_key(|test| test.since)?;
        (now.saturating_duration_since(longest.since) >= limit).then_some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn start(id: &str, worker: &str) -> String {
        format!("{{\"e\":\"start\",\"id\":\"{id}\",\"at\":1.0,\"worker\":\"{worker}\"}}\n")
    }

    fn finish(id: &str) -> String {
        format!("{{\"e\":\"finish\",\"id\":\"{id}\",\"at\":2.0}}\n")
    }

    fn failed(id: &str, when: &str) -> String {
        format!(
            "{{\"e\":\"phase\",\"id\":\"{id}\",\"when\":\"{when}\",\"outcome\":\"failed\",\"at\":1.0,\"seconds\":0.1}}\n"
        )
    }

    fn folded(lines: &[String], now: Instant) -> Progress {
        let mut follower = Follower::new("");
        let mut events = Vec::new();
        follower.take(lines.concat().as_bytes(), &mut events);
        assert_eq!(events.len(), lines.len());
        let mut progress = Progress::default();
        for event in &events {
            progress.apply(event, now);
        }
        progress
    }

    #[test]
    fn follows_a_file_through_its_life() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = Utf8PathBuf::from_path_buf(dir.path().join("events.jsonl")).expect("UTF-8");
        let mut follower = Follower::new(path.clone());
        let mut count = || follower.poll().expect("readable").len();
        assert_eq!(count(), 0, "it does not exist");
        let mut file = std::fs::File::create(&path).expect("a file");
        let line = start("a::b", "");
        file.write_all(&line.as_bytes()[..9]).expect("half a line");
        assert_eq!(count(), 0);
        file.write_all(&line.as_bytes()[9..]).expect("the rest");
        file.write_all(b"not JSON\n{\"e\":\"of a newer release\"}\n")
            .expect("two more");
        assert_eq!(count(), 2);
        assert_eq!(count(), 0);
        file.set_len(0).expect("truncated");
        std::fs::write(&path, finish("a::b")).expect("written anew");
        assert_eq!(count(), 1);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(count(), 0);
        std::fs::write(&path, [line.clone(), line].concat()).expect("replaced");
        assert_eq!(count(), 2);
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut follower = Follower::new("");
        let mut events = Vec::new();
        for _ in 0..20 {
            follower.take(&vec![b'x'; 1 << 20], &mut events);
            assert!(follower.pending.len() <= LINE_BYTES + (1 << 20));
        }
        follower.take(format!("\n{}", start("a", "")).as_bytes(), &mut events);
        assert_eq!(events.len(), 1);
    }

    #[test]
    fn knows_how_far_it_is() {
        let now = Instant::now();
        let items = "{\"e\":\"items\",\"at\":0,\"seconds\":0.5,\"items\":[{\"id\":\"a\",\"file\":\"f\"},{\"id\":\"b\",\"file\":\"f\"}]}\n";
        let lines = [
            items.to_owned(),
            start("a", "gw0"),
            start("b", "gw1"),
            failed("a", "call"),
            failed("a", "teardown"),
            finish("a"),
        ];
        let progress = folded(&lines, now);
        let Progress {
            collected,
            started,
            finished,
            failed,
            running,
        } = &progress;
        assert_eq!(
            (*collected, *started, *finished, *failed),
            (Some(2), 2, 1, 1)
        );
        assert_eq!(
            running
                .iter()
                .map(|test| test.id.as_str())
                .collect::<Vec<_>>(),
            ["b"]
        );
        let later = now + Duration::from_mins(1);
        assert_eq!(
            progress
                .hanging(Duration::from_mins(1), later)
                .map(|test| test.id.as_str()),
            Some("b")
        );
        assert_eq!(progress.hanging(Duration::from_secs(61), later), None);
    }

    #[test]
    fn a_test_that_was_cut_off_does_not_run_for_ever() {
        let now = Instant::now();
        let session =
            "{\"e\":\"session\",\"version\":1,\"shard\":\"1/1\",\"digest\":\"\",\"at\":0}\n"
                .to_owned();
        assert_eq!(folded(&[start("a", ""), session], now).running, []);
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_the_file_is_cut(cuts in proptest::collection::vec(0_usize..400, 0..8)) {
            let text = [start("a", ""), failed("a", "call"), finish("a"), start("ü", "")].concat();
            let mut whole = Vec::new();
            Follower::new("").take(text.as_bytes(), &mut whole);
            let mut follower = Follower::new("");
            let mut events = Vec::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                follower.take(&text.as_bytes()[from..cut], &mut events);
                from = cut;
            }
            prop_assert_eq!(events, whole);
        }
    }
}
