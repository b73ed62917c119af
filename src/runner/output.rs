//! Where the output of a child goes: into the shard's log, and onto the terminal.
//!
//! A thread per child reads its pipe all the time, so that no child ever waits for another one, and
//! holds at most one buffer, however much is written. It is a thread and not a task because a
//! terminal may block (a pager, Ctrl-S), which must not hold up signals.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use tokio::sync::oneshot;

use super::mask::Mask;

/// Bytes of a log; what comes later is dropped but for the last [`TAIL_BYTES`].
const LOG_BYTES: u64 = 256 << 20;

const TAIL_BYTES: usize = 64 << 10;

/// A longer line is shown as several.
const LINE_BYTES: usize = 64 << 10;

/// How long the rest of the output may take once the child is gone.
const DRAIN: Duration = Duration::from_secs(5);

/// What keeps the children's output from being understood as commands to the CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    /// GitHub: nothing between `::stop-commands::<token>` and `::<token>::` is a command
    /// (<https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>). The
    /// token must be unknown to the children: not the one of [`super::token::RunToken`].
    StopCommands(String),
}

impl Guard {
    /// The lines before and after what is guarded.
    pub(crate) fn lines(&self) -> Option<(String, String)> {
        match self {
            Self::None => None,
            Self::StopCommands(token) => {
                Some((format!("::stop-commands::{token}"), format!("::{token}::")))
            }
        }
    }

    /// A text in which the CI sees no command.
    pub(crate) fn around(&self, text: &str) -> String {
        match self.lines() {
            None => text.to_owned(),
            Some((begin, end)) => format!("{begin}\n{}\n{end}", text.trim_end_matches('\n')),
        }
    }
}

/// The one writer of all children's output.
pub(crate) struct Terminal(Mutex<Screen>);

struct Screen {
    out: Box<dyn Write + Send>,
    guard: Guard,
    is_guarded: bool,
    is_mid_line: bool,
}

impl Terminal {
    pub(crate) fn stdout(guard: Guard) -> Arc<Self> {
        Self::new(Box::new(io::stdout()), guard)
    }

    pub(crate) fn new(out: Box<dyn Write + Send>, guard: Guard) -> Arc<Self> {
        let screen = Screen {
            out,
            guard,
            is_guarded: false,
            is_mid_line: false,
        };
        Arc::new(Self(Mutex::new(screen)))
    }

    /// Shows a file as a group that GitHub folds, without holding more than a buffer of it.
    /// `title` is ours.
    pub(crate) fn group(&self, title: &str, file: &Utf8Path) {
        let mut screen = locked(&self.0);
        screen.release();
        let _ = writeln!(screen.out, "::group::{title}");
        // Of a shard that never started there is none.
        if let Ok(mut file) = fs_err::File::open(file) {
            let mut buffer = vec![0; LINE_BYTES];
            while let Ok(length) = file.read(&mut buffer)
                && length > 0
            {
                screen.put(&buffer[..length]);
            }
        }
        screen.release();
        let _ = writeln!(screen.out, "::endgroup::").and_then(|()| screen.out.flush());
    }

    /// Ends an open line and the guard: from here on the CI understands our own commands again.
    pub(crate) fn release(&self) {
        locked(&self.0).release();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.release();
    }
}

impl Screen {
    /// A reader that is gone (`| head`) is no reason to stop the tests, so errors end here.
    fn put(&mut self, bytes: &[u8]) {
        if let Some((begin, _)) = self.guard.lines()
            && !self.is_guarded
        {
            let _ = writeln!(self.out, "{begin}");
            self.is_guarded = true;
        }
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
        self.is_mid_line = bytes.last().is_some_and(|last| *last != b'\n');
    }

    fn release(&mut self) {
        if self.is_mid_line {
            self.put(b"\n");
        }
        if let Some((_, end)) = self.guard.lines()
            && self.is_guarded
        {
            let _ = writeln!(self.out, "{end}").and_then(|()| self.out.flush());
            self.is_guarded = false;
        }
    }
}

/// How a child's output appears on the terminal.
#[derive(Clone)]
pub(crate) enum Show {
    /// Byte by byte, as the child writes it.
    Raw(Arc<Terminal>),
    /// In whole lines, each after this text, such as `3/6 | `.
    Prefixed(Arc<Terminal>, String),
    Nothing,
}

/// The output of one child on its way.
pub(super) struct Output {
    log: Arc<Mutex<Log>>,
    drained: oneshot::Receiver<()>,
}

impl Output {
    /// Starts to read. The other end of the pipe is for the child.
    pub(super) fn start(
        log: &Utf8Path,
        show: Show,
        mask: Mask,
    ) -> io::Result<(Self, io::PipeWriter)> {
        let log = Arc::new(Mutex::new(Log::create(log, LOG_BYTES)?));
        let (reader, writer) = io::pipe()?;
        let (done, drained) = oneshot::channel();
        let shared = Arc::clone(&log);
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                pump(reader, &shared, show, mask);
                let _ = done.send(());
            })?;
        Ok((Self { log, drained }, writer))
    }

    /// Adds a line of our own to the log.
    pub(super) fn note(&self, text: &str) {
        let mut log = locked(&self.log);
        let line_end = if log.is_mid_line { "\n" } else { "" };
        log.write(format!("{line_end}parallel-pytest: {text}\n").as_bytes());
    }

    /// Waits for the rest of the output, but not for a process that keeps the pipe and lives on.
    /// Returns why the log is incomplete, if it is.
    pub(super) async fn finish(self) -> Option<String> {
        let _ = tokio::time::timeout(DRAIN, self.drained).await;
        locked(&self.log).close()
    }
}

fn pump(mut pipe: io::PipeReader, log: &Mutex<Log>, mut show: Show, mut mask: Mask) {
    let mut buffer = vec![0; LINE_BYTES];
    let mut line = Vec::new();
    let mut has_more = true;
    while has_more {
        let chunk = match pipe.read(&mut buffer) {
            Ok(length) if length > 0 => mask.pass(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            _ => {
                has_more = false;
                mask.end().into()
            }
        };
        if chunk.is_empty() {
            continue;
        }
        if !locked(log).write(&chunk) {
            show = Show::Nothing;
        }
        match &show {
            Show::Raw(terminal) => locked(&terminal.0).put(&chunk),
            Show::Prefixed(terminal, prefix) => {
                line.extend_from_slice(&chunk);
                let whole = take_lines(&mut line, prefix);
                if !whole.is_empty() {
                    locked(&terminal.0).put(&whole);
                }
            }
            Show::Nothing => {}
        }
    }
    if let Show::Prefixed(terminal, prefix) = &show
        && !line.is_empty()
    {
        line.push(b'\n');
        locked(&terminal.0).put(&take_lines(&mut line, prefix));
    }
}

/// Takes the whole lines out of `pending`, each with the prefix before it.
fn take_lines(pending: &mut Vec<u8>, prefix: &str) -> Vec<u8> {
    let end = match pending.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => newline + 1,
        None if pending.len() >= LINE_BYTES => pending.len(),
        None => 0,
    };
    let mut shown = Vec::new();
    for line in pending[..end].split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A progress bar redraws its line; its last state is what a terminal would keep. It also
        // keeps a carriage return from overwriting the prefix.
        let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
        shown.extend_from_slice(prefix.as_bytes());
        shown.extend_from_slice(line);
        shown.push(b'\n');
    }
    pending.drain(..end);
    shown
}

/// A file with the head of the output and, if that was too much, its tail.
struct Log {
    /// `None` once it is closed.
    file: Option<fs_err::File>,
    room: u64,
    dropped: u64,
    tail: VecDeque<u8>,
    is_mid_line: bool,
    problem: Option<String>,
}

impl Log {
    fn create(path: &Utf8Path, room: u64) -> io::Result<Self> {
        let file = Some(fs_err::File::create(path)?);
        Ok(Self {
            file,
            room,
            dropped: 0,
            tail: VecDeque::new(),
            is_mid_line: false,
            problem: None,
        })
    }

    /// False if nobody waits for the output any more.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        if self.problem.is_some() {
            return true;
        }
        self.is_mid_line = bytes.last().is_some_and(|last| *last != b'\n');
        let head = bytes
            .len()
            .min(usize::try_from(self.room).unwrap_or(usize::MAX));
        self.room -= head as u64;
        self.dropped += (bytes.len() - head) as u64;
        self.tail.extend(&bytes[head..]);
        self.tail
            .drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        // A full disk must not stop the tests.
        self.problem = file
            .write_all(&bytes[..head])
            .err()
            .map(|error| error.to_string());
        true
    }

    fn close(&mut self) -> Option<String> {
        if let Some(mut file) = self.file.take()
            && self.dropped > 0
            && self.problem.is_none()
        {
            let (dropped, kept) = (self.dropped - self.tail.len() as u64, self.tail.len());
            let cut = format!(
                "\nparallel-pytest: the log is too long: {dropped} bytes are left out here, the last {kept} follow\n"
            );
            let written = file
                .write_all(cut.as_bytes())
                .and_then(|()| file.write_all(self.tail.make_contiguous()));
            self.problem = written.err().map(|error| error.to_string());
        }
        self.problem.take()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A terminal to read back.
    #[derive(Clone, Default)]
    pub(in crate::runner) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub(in crate::runner) fn terminal(&self, guard: Guard) -> Arc<Terminal> {
            Terminal::new(Box::new(self.clone()), guard)
        }

        pub(in crate::runner) fn text(&self) -> String {
            String::from_utf8_lossy(&locked(&self.0)).into_owned()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            locked(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_file() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = camino::Utf8PathBuf::from_path_buf(dir.path().join("log.txt")).expect("UTF-8");
        (dir, path)
    }

    async fn shown(show: Show, chunks: &[&[u8]]) -> String {
        let (_dir, path) = log_file();
        let (output, mut pipe) = Output::start(&path, show, Mask::default()).expect("an output");
        for chunk in chunks {
            pipe.write_all(chunk).expect("a pipe");
        }
        drop(pipe);
        assert_eq!(output.finish().await, None);
        String::from_utf8_lossy(&std::fs::read(&path).expect("a log")).into_owned()
    }

    #[tokio::test]
    async fn the_terminal_shows_whole_lines_after_a_prefix() {
        let paper = Paper::default();
        let show = Show::Prefixed(paper.terminal(Guard::None), "3/6 | ".into());
        let log = shown(
            show,
            &[b"one\ntw", b"o\r\n 10%\r 99%\r100%\n\n\xff", b"\nend"],
        )
        .await;
        assert_eq!(
            paper.text(),
            "3/6 | one\n3/6 | two\n3/6 | 100%\n3/6 | \n3/6 | \u{fffd}\n3/6 | end\n"
        );
        assert_eq!(log, "one\ntwo\r\n 10%\r 99%\r100%\n\n\u{fffd}\nend");
    }

    #[tokio::test]
    async fn a_child_cannot_give_commands_to_the_ci() {
        let paper = Paper::default();
        let terminal = paper.terminal(Guard::StopCommands("t0ken".into()));
        assert_eq!(paper.text(), "", "nothing to guard yet");
        let _ = shown(
            Show::Raw(Arc::clone(&terminal)),
            &[b"::add-mask::a\n##[group]x\r::error::y"],
        )
        .await;
        terminal.release();
        terminal.release();
        assert_eq!(
            paper.text(),
            "::stop-commands::t0ken\n::add-mask::a\n##[group]x\r::error::y\n::t0ken::\n"
        );
    }

    #[tokio::test]
    async fn an_endless_line_is_shown_in_pieces() {
        let paper = Paper::default();
        let show = Show::Prefixed(paper.terminal(Guard::None), "| ".into());
        let _ = shown(show, &[&vec![b'x'; 3 * LINE_BYTES]]).await;
        let lines: Vec<usize> = paper.text().lines().map(str::len).collect();
        assert!(lines.len() >= 2 && lines.iter().all(|length| *length <= 2 * LINE_BYTES + 2));
    }

    #[test]
    fn a_long_log_keeps_its_head_and_its_tail() {
        let (_dir, path) = log_file();
        let mut log = Log::create(&path, 10).expect("a log");
        for _ in 0..TAIL_BYTES {
            assert!(log.write(b"0123456789"));
        }
        log.write(b"the end");
        assert_eq!(log.close(), None);
        assert!(!log.write(b"too late"));
        let text = std::fs::read_to_string(&path).expect("a log");
        assert!(text.starts_with(
            "0123456789\nparallel-pytest: the log is too long: 589821 bytes are left out here"
        ));
        assert!(text.ends_with("the end") && text.len() < TAIL_BYTES + 200);
    }

    #[test]
    fn a_full_disk_is_told_once() {
        let mut log = Log::create(Utf8Path::new("/dev/full"), 10).expect("a device");
        assert!(log.write(b"a") && log.write(b"b"));
        assert!(log.close().expect("a problem").contains("No space left"));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_are_cut(text in "[ab\n\r]{0,40}", cuts in proptest::collection::vec(0_usize..40, 0..6)) {
            let whole = take_lines(&mut text.clone().into_bytes(), "> ");
            let mut pending = Vec::new();
            let mut shown = Vec::new();
            let mut start = 0;
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            for end in cuts.into_iter().chain([text.len()]) {
                pending.extend_from_slice(&text.as_bytes()[start..end]);
                shown.extend(take_lines(&mut pending, "> "));
                start = end;
            }
            prop_assert_eq!(shown, whole);
        }
    }
}
