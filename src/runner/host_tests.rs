//! Shards that misbehave, with real processes.

use super::*;
use crate::runner::output::tests::Paper;
use crate::runner::output::{Guard, Terminal};
use crate::runner::signals::tests::Fingers;
use camino::Utf8Path;

/// One shard in a folder of its own.
struct Bench {
    dir: tempfile::TempDir,
    limits: Limits,
    show: Show,
}

impl Bench {
    fn new() -> Self {
        let limits = Limits {
            grace: Duration::from_secs(3),
            ..Limits::default()
        };
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            limits,
            show: Show::Nothing,
        }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path())
            .expect("UTF-8")
            .join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn number(&self, name: &str) -> i32 {
        self.read(name).trim().parse().expect("a number")
    }

    async fn run(&self, program: &str, script: &str, interrupts: Interrupts) -> ShardEnd {
        let dash_c = if program == "python3" { "-Sc" } else { "-c" };
        let spec = ShardSpec {
            shard: Shard::new(1, 1).expect("a shard"),
            command: CommandLine::new(program, [dash_c, script]).current_dir(self.path("")),
            environment: Environment::Host,
            shard_dir: self.path(""),
            show: self.show.clone(),
            token: RunToken::random(),
            mask: Mask::default(),
        };
        run(spec, self.limits, interrupts).await
    }

    async fn sh(&self, script: &str) -> ShardEnd {
        self.run("sh", script, Fingers::new().1).await
    }

    async fn python(&self, script: &str) -> ShardEnd {
        self.run("python3", script, Fingers::new().1).await
    }

    /// Runs a script and sends it signals once it has written the file `ready`.
    async fn interrupted(&self, script: &str, signals: &[i32]) -> (ShardEnd, Duration) {
        let (fingers, interrupts) = Fingers::new();
        let press = async {
            while !self.path("ready").exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let pressed = Instant::now();
            for signal in signals {
                fingers.press(*signal);
            }
            pressed
        };
        let (end, pressed) = tokio::join!(self.run("python3", script, interrupts), press);
        (end, pressed.elapsed())
    }
}

fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn tells_how_the_command_ended() {
    let bench = Bench::new();
    let end = bench.sh("echo out; echo err >&2; exit 3").await;
    assert_eq!((end.exit, end.status), (Ended::Exited(3), Some(3)));
    assert_eq!(bench.read("log.txt"), "out\nerr\n");
    let end = bench.python("import os; os._exit(7)").await;
    assert_eq!(end.exit, Ended::Exited(7));
    let end = bench.sh("kill -SEGV $$").await;
    assert_eq!(
        (end.exit.clone(), end.status),
        (Ended::Signalled(11), Some(139))
    );
    assert_eq!(
        end.exit.interruption().as_deref(),
        Some("killed by SIGSEGV")
    );
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_no_crash() {
    let bench = Bench::new();
    let end = bench.run("no-such-pytest", "", Fingers::new().1).await;
    assert!(matches!(&end.exit, Ended::NotStarted(message) if message.contains("not on the PATH")));
    assert_eq!(end.status, None);
}

#[tokio::test]
async fn output_without_end_takes_no_memory_and_blocks_nobody() {
    let own_peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .map(str::to_owned);
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let before = own_peak();
    let end = Bench::new()
        .python(
            "import sys\n\
             for i in range(200):\n  \
               sys.stdout.write('x' * 999_999 + '\\n'); sys.stderr.write('e\\n')\n",
        )
        .await;
    assert_eq!(end.exit, Ended::Exited(0));
    // Other tests run beside this one, so the bound is wide; 200 MB it is not.
    assert!(
        own_peak() - before < 100 << 10,
        "{} kB more",
        own_peak() - before
    );
    if cfg!(target_os = "linux") {
        assert_eq!(end.log_problem, None);
    }
}

#[tokio::test]
async fn a_child_may_close_its_output() {
    let bench = Bench::new();
    let end = bench
        .python("import os,time; print('a',flush=True); os.close(1); os.close(2); time.sleep(0.3)")
        .await;
    assert_eq!(end.exit, Ended::Exited(0));
    assert_eq!(bench.read("log.txt"), "a\n");
}

#[tokio::test]
async fn shards_share_a_terminal_by_whole_lines() {
    let paper = Paper::default();
    let terminal = paper.terminal(Guard::None);
    let bench = |prefix: &str, terminal: &std::sync::Arc<Terminal>| {
        let show = Show::Prefixed(std::sync::Arc::clone(terminal), prefix.into());
        Bench {
            show,
            ..Bench::new()
        }
    };
    let (one, two) = (bench("1/2 | ", &terminal), bench("2/2 | ", &terminal));
    let script = |word: &str| {
        format!("i=0; while [ $i -lt 300 ]; do printf {word}; printf '{word}\\n'; i=$((i+1)); done")
    };
    let (first, second) = (script("aa"), script("bb"));
    let _ = tokio::join!(one.sh(&first), two.sh(&second));
    let text = paper.text();
    assert_eq!(
        text.lines().filter(|line| *line == "1/2 | aaaa").count(),
        300
    );
    assert_eq!(
        text.lines().filter(|line| *line == "2/2 | bbbb").count(),
        300
    );
    assert_eq!(text.lines().count(), 600);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn peak_memory_is_of_the_largest_process() {
    let end = Bench::new()
        .python("import os,time\nif os.fork()==0:\n  x=b'x'*(64<<20); time.sleep(2)\n  os._exit(0)\nos.wait()")
        .await;
    let peak = end.peak_memory.expect("a sample");
    assert!((64 << 20..256 << 20).contains(&peak), "{peak}");
}

const READY: &str = "import os,signal,sys,time\n\
    def ready(): open('ready','w').close()\n\
    def daemon(env):\n  \
      if os.fork(): return\n  \
      os.setsid()\n  \
      if os.fork(): os._exit(0)\n  \
      open('daemon','w').write(str(os.getpid()))\n  \
      os.execve('/bin/sleep',['sleep','60'],env)\n\
    def has_daemon():\n  \
      while not (os.path.exists('daemon') and open('daemon').read()): time.sleep(0.01)\n";

#[tokio::test]
async fn the_first_signal_is_a_keyboard_interrupt_for_the_whole_group() {
    let bench = Bench::new();
    let script = format!(
        "{READY}child=os.fork()\n\
         try:\n  ready() if child else None\n  time.sleep(60)\n\
         except KeyboardInterrupt:\n  open('parent' if child else 'child','w').close(); child and os.wait(); sys.exit(2)\n"
    );
    let (end, took) = bench.interrupted(&script, &[15]).await;
    assert_eq!(
        (end.exit, end.status),
        (Ended::Interrupted { signal: 15 }, Some(2))
    );
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(bench.path("parent").exists());
    assert!(
        bench
            .read("log.txt")
            .ends_with("parallel-pytest: ended by SIGTERM\n")
    );
}

#[tokio::test]
async fn what_ignores_every_signal_is_killed_when_its_grace_ends() {
    let bench = Bench {
        limits: Limits {
            grace: Duration::from_secs(1),
            ..Limits::default()
        },
        ..Bench::new()
    };
    let deaf = format!(
        "{READY}[signal.signal(s, signal.SIG_IGN) for s in (2, 15)]\nready()\ntime.sleep(60)"
    );
    let (end, took) = bench.interrupted(&deaf, &[2]).await;
    assert_eq!(
        (end.exit, end.status),
        (Ended::Interrupted { signal: 2 }, Some(137))
    );
    assert!((0.9..4.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test]
async fn a_second_and_a_third_signal_are_faster() {
    let limits = Limits {
        grace: Duration::from_secs(30),
        ..Limits::default()
    };
    let slow = format!("{READY}signal.signal(2, signal.SIG_IGN)\nready()\ntime.sleep(60)");
    let (end, took) = Bench {
        limits,
        ..Bench::new()
    }
    .interrupted(&slow, &[2, 2])
    .await;
    assert_eq!(end.status, Some(128 + 15));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let deaf = format!(
        "{READY}[signal.signal(s, signal.SIG_IGN) for s in (2, 15)]\nready()\ntime.sleep(60)"
    );
    let (end, took) = Bench {
        limits,
        ..Bench::new()
    }
    .interrupted(&deaf, &[2, 2, 2])
    .await;
    assert_eq!(end.status, Some(137));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_does_not_outlive_its_shard() {
    // Those that keep the environment are known by the token.
    let bench = Bench::new();
    let script = format!("{READY}daemon(os.environ)\nhas_daemon()\nprint('done')");
    let end = bench.python(&script).await;
    assert_eq!(end.exit, Ended::Exited(0));
    assert!(!is_alive(bench.number("daemon")));
    assert_eq!(
        bench.read("log.txt"),
        "done\nparallel-pytest: ended 1 processes that the tests left behind\n"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_hundred_sleepers_die_with_their_shard() {
    let bench = Bench {
        limits: Limits {
            grace: Duration::from_secs(1),
            ..Limits::default()
        },
        ..Bench::new()
    };
    let script = format!(
        "{READY}pids=[]\nfor i in range(200):\n  \
           pid=os.fork()\n  \
           if pid==0:\n    \
             [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]\n    \
             i%2 and os.setsid(); time.sleep(60); os._exit(0)\n  \
           pids.append(pid)\n\
         open('pids','w').write(' '.join(map(str,pids))); ready(); time.sleep(60)"
    );
    let (end, _) = bench.interrupted(&script, &[2]).await;
    assert_eq!(end.exit, Ended::Interrupted { signal: 2 });
    let pids = bench.read("pids");
    assert_eq!(pids.split(' ').count(), 200);
    assert!(
        !pids
            .split(' ')
            .any(|pid| is_alive(pid.parse().expect("a number")))
    );
}

#[tokio::test]
async fn a_hanging_test_is_named_and_ended() {
    let bench = Bench {
        limits: Limits {
            test: Some(Duration::from_millis(600)),
            ..Limits::default()
        },
        ..Bench::new()
    };
    std::fs::write(
        bench.path("events.jsonl"),
        "{\"e\":\"start\",\"id\":\"from an earlier attempt\",\"at\":0}\n",
    )
    .expect("a file");
    let end = bench
        .python(
            "import time\nlog=open('events.jsonl','a')\n\
             def say(text): log.write(text+'\\n'); log.flush()\n\
             say('{\"e\":\"start\",\"id\":\"t.py::quick\",\"at\":1}'); say('{\"e\":\"finish\",\"id\":\"t.py::quick\",\"at\":1}')\n\
             say('{\"e\":\"start\",\"id\":\"t.py::slow\",\"at\":1}')\n\
             print('..',end='',flush=True)\n\
             try: time.sleep(60)\n\
             except KeyboardInterrupt: print('the traceback')",
        )
        .await;
    let hung = Ended::Hung {
        test: "t.py::slow".into(),
        limit: Duration::from_millis(600),
    };
    assert_eq!(end.exit, hung);
    assert_eq!(
        bench.read("log.txt"),
        "..\nparallel-pytest: t.py::slow ran longer than 600ms\nthe traceback\n"
    );
}

#[tokio::test]
async fn what_a_shard_took_before_counts_against_its_limit() {
    let limits = Limits {
        shard: Some(Duration::from_mins(1)),
        spent: Duration::from_secs(59),
        ..Limits::default()
    };
    let bench = Bench {
        limits,
        ..Bench::new()
    };
    let end = bench.python("import time; time.sleep(30)").await;
    assert_eq!(
        end.exit.to_string(),
        "took longer than 1m; no test was running"
    );
}

#[tokio::test]
async fn a_shard_over_its_time_limit_tells_what_was_running() {
    let limits = Limits {
        shard: Some(Duration::from_secs(2)),
        ..Limits::default()
    };
    let bench = Bench {
        limits,
        ..Bench::new()
    };
    let end = bench.python("import time; time.sleep(60)").await;
    assert_eq!(
        end.exit.to_string(),
        "took longer than 2s; no test was running"
    );
    let end = bench
        .python("import time; open('events.jsonl','a').write('{\"e\":\"start\",\"id\":\"a\",\"at\":1}\\n'); time.sleep(60)")
        .await;
    assert_eq!(
        end.exit.interruption().as_deref(),
        Some("took longer than 2s; a was running")
    );
}

#[tokio::test]
async fn nothing_starts_once_we_were_told_to_end() {
    let bench = Bench::new();
    let (fingers, interrupts) = Fingers::new();
    fingers.press(1);
    let end = bench.run("sh", "touch started", interrupts).await;
    assert_eq!(end.exit, Ended::Interrupted { signal: 1 });
    assert!(!bench.path("started").exists());
}

/// Not a test by itself: a run in a process of its own, so that it can get real signals and has
/// all orphans for itself. Prints how the run ended.
#[ignore = "another test starts it"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone() {
    let interrupts = Interrupts::install().expect("handlers");
    let command = std::env::var("TEST_COMMAND").expect("a command");
    let mut words = shlex::split(&command).expect("words").into_iter();
    let spec = ShardSpec {
        shard: Shard::new(1, 1).expect("a shard"),
        command: CommandLine::new(words.next().expect("a program"), words),
        environment: Environment::Host,
        shard_dir: std::env::var("TEST_DIR").expect("a folder").into(),
        show: Show::Nothing,
        token: RunToken::random(),
        mask: Mask::default(),
    };
    let clock = Instant::now();
    let limits = Limits {
        test: Some(Duration::from_secs(30)),
        ..Limits::default()
    };
    let end = run(spec, limits, interrupts).await;
    let report = format!(
        "{} status={:?} zombies={}",
        end.exit,
        end.status,
        crate::runner::tree::zombies()
    );
    fs_err::write(std::env::var("TEST_REPORT").expect("a file"), &report).expect("a report");
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!(
            "{report} after {:.2} s, peak {:?}\n",
            clock.elapsed().as_secs_f64(),
            end.peak_memory
        )
        .as_bytes(),
    );
}

impl Bench {
    /// Has a shell start [`alone`] as `$ALONE`, with a Python script to run.
    fn shell(&self, shell: &str, python: &str) -> std::process::Child {
        let this = std::env::current_exe().expect("our path");
        let alone = format!(
            "{} --exact runner::host::tests::alone --ignored",
            this.display()
        );
        let command = CommandLine::new("python3", ["-Sc", python]).to_string();
        let mut child = std::process::Command::new("sh");
        child
            .args(["-c", &shell.replace("$ALONE", &alone)])
            .current_dir(self.dir.path());
        child
            .env("TEST_COMMAND", command)
            .env("TEST_DIR", self.path(""))
            .env("TEST_REPORT", self.path("report"));
        child
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        child.spawn().expect("a shell")
    }

    fn wait_for(&self, name: &str) {
        let patience = Instant::now();
        while self.read(name).is_empty() {
            assert!(
                patience.elapsed() < Duration::from_mins(1),
                "{name} never came"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn kill(signal: &str, pid: i32) {
    let status = std::process::Command::new("kill")
        .arg(signal)
        .arg(pid.to_string())
        .status();
    assert!(status.expect("kill").success());
}

#[test]
fn a_background_job_still_gives_its_child_a_keyboard_interrupt() {
    let bench = Bench::new();
    let python = "import signal,time\nopen('python','w').write(str(signal.getsignal(2)))\n\
                  try: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(2)";
    let mut shell = bench.shell("$ALONE & echo $! > pid; wait", python);
    bench.wait_for("python");
    assert!(bench.read("python").contains("default_int_handler"));
    // Before us a child of such a shell would not even notice it.
    kill("-INT", bench.number("pid"));
    bench.wait_for("report");
    assert_eq!(
        bench.read("report"),
        "ended by SIGINT status=Some(2) zombies=0"
    );
    shell.wait().expect("a status");
}

#[cfg(target_os = "linux")]
#[test]
fn under_nohup_the_end_of_the_terminal_is_not_ours() {
    let bench = Bench::new();
    let python =
        "import time; open('python','w').write('runs'); time.sleep(1); raise SystemExit(5)";
    let mut shell = bench.shell("trap '' HUP; $ALONE & echo $! > pid; wait", python);
    bench.wait_for("python");
    kill("-HUP", bench.number("pid"));
    bench.wait_for("report");
    assert_eq!(
        bench.read("report"),
        "exited with 5 status=Some(5) zombies=0"
    );
    shell.wait().expect("a status");
}

#[cfg(target_os = "linux")]
#[test]
fn a_daemon_that_threw_its_environment_away_is_found_too() {
    let bench = Bench::new();
    let mut shell = bench.shell("$ALONE", &format!("{READY}daemon({{}})\nhas_daemon()"));
    shell.wait().expect("a status");
    assert_eq!(
        bench.read("report"),
        "exited with 0 status=Some(0) zombies=0"
    );
    assert!(!is_alive(bench.number("daemon")));
}

#[tokio::test]
async fn a_stopped_child_wakes_up_to_end() {
    let bench = Bench::new();
    let script = format!(
        "{READY}ready()\ntry:\n  os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)\n\
         except KeyboardInterrupt: sys.exit(2)"
    );
    let (end, took) = bench.interrupted(&script, &[2]).await;
    assert_eq!(end.status, Some(2));
    assert!(took < Duration::from_secs(2), "{took:?}");
}
