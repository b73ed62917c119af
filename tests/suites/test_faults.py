"""What goes wrong in real runs: nothing that finished is lost, what is lost is named, nothing is green."""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import suites
from oracle import BINARY

GREEN, FAILED, USAGE, LOST, OUTSIDE, NOTHING = 0, 1, 2, 3, 4, 5


class Project:
    def __init__(self, folder, requirements="tests/suites/requirements.txt"):
        self.folder = folder / "project"
        self.folder.mkdir()
        self.report = folder / "report"
        self.work = folder / "work"
        self.env = {"HOME": str(folder), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        if requirements:
            self.env["PATH"] = f"{suites.venv(requirements) / 'bin'}{os.pathsep}{self.env['PATH']}"

    def write(self, **files):
        for name, text in files.items():
            file = self.folder / name.replace("__", "/")
            file = file.with_name(file.name + ("" if "." in file.name else ".py"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return self

    def start(self, *command, flags=(), shards=2):
        folders = ["--output", str(self.report), "--work-dir", str(self.work)]
        return subprocess.Popen(
            [
                str(BINARY),
                "local",
                "--shards",
                str(shards),
                *folders,
                "--keep-together",
                "file",
                *flags,
                "--",
                *(command or ("pytest",)),
            ],
            cwd=self.folder,
            env=self.env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait_for_pid(self, process):
        deadline = time.monotonic() + 120
        while not (self.folder / "pid").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)

    def kill_who_wrote_pid(self, process):
        self.wait_for_pid(process)
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)

    def local(self, *command, **options):
        return self.finish(self.start(*command, **options))

    def finish(self, process):
        try:
            self.output = process.communicate(timeout=180)[0]
        finally:
            process.kill()
        return process.returncode

    @property
    def result(self):
        return json.loads((self.report / "result.json").read_text())

    @property
    def outcomes(self):
        return {test["id"]: test["outcome"] for test in self.result["tests"]}

    def reasons(self):
        """All that the result says beside the tests and the totals."""
        beside = {key: value for key, value in self.result.items() if key not in ("tests", "totals")}
        return json.dumps(beside)


def lives(pid):
    """Where nobody waits for orphans, a process that was killed stays a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


QUICK = "def test_quick():\n    pass\n"
# The first test of the file ends, the second one never does.
MID_TEST = """
    import os, time

    def test_first():
        pass

    def test_running():
        {what}

    def test_never_started():
        pass
"""


def assert_lost_in_the_middle(project, exit):
    assert exit == LOST, project.output
    assert project.result["verdict"] == "red"
    assert project.outcomes == {
        "test_ends.py::test_first": "passed",
        "test_ends.py::test_running": "lost",
        "test_ends.py::test_never_started": "lost",
        "test_other.py::test_quick": "passed",
    }
    assert "test_ends.py::test_running" in project.output
    assert "test_ends.py::test_running" in project.reasons()


def test_a_shard_killed_in_the_middle_of_a_test(project):
    what = "open('pid.tmp', 'w').write(str(os.getpid())); os.rename('pid.tmp', 'pid'); time.sleep(600)"
    project.write(test_ends=MID_TEST.format(what=what), test_other=QUICK)
    process = project.start(flags=("--no-dynamic",))
    project.kill_who_wrote_pid(process)
    assert_lost_in_the_middle(project, project.finish(process))


# Its second try finds that there was a first one.
ONCE = """
    import os, pytest, time

    def test_first():
        pass

    def test_running():
        if os.path.exists("pid"):
            return
        open('pid.tmp', 'w').write(str(os.getpid())); os.rename('pid.tmp', 'pid'); time.sleep(600)

    def test_never_started():
        pass
"""


@pytest.mark.parametrize("command", [("pytest",), ("pytest", "--cov=.")])
@pytest.mark.parametrize("shards", [2, 3])
def test_what_a_killed_shard_had_not_finished_runs_in_another(project, command, shards):
    others = {f"test_other_{number}": QUICK for number in range(6)}
    project.write(test_ends=ONCE, **others)
    process = project.start(*command, flags=("--dynamic",), shards=shards)
    project.kill_who_wrote_pid(process)
    assert project.finish(process) == GREEN, project.output
    tests = {test["id"]: test for test in project.result["tests"]}
    assert len(tests) == 9
    assert tests["test_ends.py::test_running"]["outcome"] == "flaky"
    outcomes = collections.Counter(test["outcome"] for test in tests.values())
    assert outcomes == {"passed": 8, "flaky": 1}
    one_line_about(project, "ran again in")
    if len(command) > 1:
        measured = json.loads((project.report / "coverage.json").read_text())["files"]
        assert {name for name, file in measured.items() if file["summary"]["percent_covered"] > 60} >= {
            name + ".py" for name in others
        }


def test_a_killed_tool_leaves_a_queue_that_the_next_run_does_not_take_for_its_own(project):
    others = {f"test_other_{number}": QUICK for number in range(6)}
    project.write(test_ends=ONCE, **others)
    process = project.start(flags=("--dynamic",))
    project.wait_for_pid(process)
    process.kill()
    process.communicate()
    running = int((project.folder / "pid").read_text())
    assert project.local(flags=("--dynamic",)) == GREEN, project.output
    assert set(project.outcomes.values()) == {"passed"} and len(project.outcomes) == 9
    assert not lives(running)


@pytest.mark.parametrize("status", [0, 1, 5])
def test_a_test_that_leaves_the_process(project, status):
    project.write(test_ends=MID_TEST.format(what=f"os._exit({status})"), test_other=QUICK)
    assert_lost_in_the_middle(project, project.local())


def test_a_test_that_crashes_the_interpreter(project):
    what = "import ctypes; ctypes.string_at(0)"
    project.write(test_ends=MID_TEST.format(what=what), test_other=QUICK)
    assert_lost_in_the_middle(project, project.local())


def test_a_test_that_hangs_is_named(project):
    project.write(test_ends=MID_TEST.format(what="time.sleep(600)"), test_other=QUICK)
    began = time.monotonic()
    assert_lost_in_the_middle(project, project.local(flags=("--test-timeout", "2s")))
    assert time.monotonic() - began < 120
    assert re.search(r"test_ends\.py::test_running.*(2 ?s|2\.\d|timeout|hang|too long)", project.output), (
        project.output
    )


def test_an_interrupted_run_keeps_what_was_done(project):
    what = "open('pid', 'w').close(); time.sleep(600)"
    project.write(test_ends=MID_TEST.format(what=what), test_other=QUICK)
    process = project.start()
    project.wait_for_pid(process)
    process.send_signal(signal.SIGINT)
    exit = project.finish(process)
    assert exit == 128 + signal.SIGINT, project.output
    assert project.outcomes["test_ends.py::test_first"] == "passed"
    assert project.result["verdict"] == "red"


POISON = """
    state = []

    def test_a_poisons():
        state.append(1)

    def test_b_needs_a_new_process():
        assert not state
"""


def test_what_failed_runs_again_in_a_new_process_and_nothing_else_does(project):
    project.write(test_poison=POISON, test_hopeless="def test_fails():\n    assert 0\n", test_other=QUICK)
    flags = ("--retries", "2", "--retry-fresh")
    assert project.local("pytest", "-p", "no:randomly", "-n0", "--junitxml=mine.xml", flags=flags) == FAILED, project.output
    assert project.outcomes == {
        "test_poison.py::test_a_poisons": "passed",
        "test_poison.py::test_b_needs_a_new_process": "flaky",
        "test_hopeless.py::test_fails": "failed",
        "test_other.py::test_quick": "passed",
    }
    attempts = {test["id"]: test.get("attempts", 1) for test in project.result["tests"]}
    assert attempts["test_hopeless.py::test_fails"] == 3 and attempts["test_other.py::test_quick"] == 1
    logs = "".join(log.read_text() for log in project.work.glob("shard-*/log.txt"))
    assert logs.count("retry 2 in a fresh environment") == 1
    project.write(test_hopeless=QUICK)
    assert project.local("pytest", "-p", "no:randomly", flags=flags) == GREEN, project.output


def test_a_retry_that_is_broken_off_changes_nothing(project):
    dies = "import os, pathlib\n\ndef test_it():\n    again = pathlib.Path('again')\n    if again.exists():\n        os._exit(3)\n    again.touch()\n    assert 0\n"
    project.write(test_dies=dies, test_poison=POISON)
    assert project.local("pytest", "-p", "no:randomly", shards=1, flags=("--retries", "3", "--retry-fresh")) == FAILED, project.output
    assert project.outcomes["test_dies.py::test_it"] == "failed"
    assert project.outcomes["test_poison.py::test_b_needs_a_new_process"] == "failed"
    assert "does not count" in project.output and "before pytest did" in project.output


def test_a_file_that_cannot_be_imported_is_named(project):
    project.write(test_broken="import no_such_module\n", test_other=QUICK)
    assert project.local() == FAILED, project.output
    assert project.outcomes["test_other.py::test_quick"] == "passed"
    assert "test_broken.py" in project.output and "no_such_module" in project.output
    assert project.result["totals"]["error"] == 1


def test_a_broken_conftest_is_named(project):
    project.write(conftest="import no_such_module\n", test_a=QUICK, test_b=QUICK)
    assert project.local() in (FAILED, LOST), project.output
    assert project.result["verdict"] == "red"
    assert "conftest.py" in project.output and "no_such_module" in project.output


def test_no_test_at_all_is_never_green(project):
    assert project.local() == NOTHING, project.output


def test_nothing_selected_is_never_green(project):
    project.write(test_a=QUICK, test_b=QUICK)
    assert project.local("pytest", "-k", "no_such_test") == NOTHING, project.output


def test_more_shards_than_files_is_green(project):
    project.write(test_a=QUICK)
    assert project.local(shards=3) == GREEN, project.output
    assert project.outcomes == {"test_a.py::test_quick": "passed"}


def test_a_shard_that_selects_nothing_among_others_that_do_is_green(project):
    project.write(test_a=QUICK, test_b="def test_slow():\n    pass\n")
    assert project.local("pytest", "-k", "quick") == GREEN, project.output
    assert project.outcomes == {"test_a.py::test_quick": "passed"}


def one_line_about(project, word):
    """What is wrong stands on one line of its own, without a traceback of Python around it."""
    lines = [line for line in project.output.splitlines() if word in line]
    assert lines, project.output
    assert "Traceback" not in project.output


def test_a_command_that_does_not_exist(tmp_path):
    project = Project(tmp_path, requirements=None).write(test_a=QUICK)
    project.env["PATH"] = str(tmp_path)
    assert project.local() in (USAGE, OUTSIDE), project.output
    one_line_about(project, "pytest")


def test_python_without_pytest(tmp_path):
    project = Project(tmp_path, requirements="# nothing\n").write(test_a=QUICK)
    assert project.local("python", "-m", "pytest") in (USAGE, LOST, OUTSIDE), project.output
    one_line_about(project, "No module named pytest")


def test_a_pytest_that_is_too_old(tmp_path):
    project = Project(tmp_path, requirements="pytest==6.2.5\n").write(test_a=QUICK)
    assert project.local() in (USAGE, LOST), project.output
    one_line_about(project, "needs pytest 7 or newer")
    assert "6.2.5" in project.output


def test_a_plugin_that_was_kept_out(project):
    project.write(test_a=QUICK, test_b=QUICK)
    assert project.local("pytest", "-p", "no:parallel_pytest_plugin") == LOST, project.output
    one_line_about(project, "plugin")


def test_a_command_that_is_not_pytest(project):
    project.write(test_a=QUICK)
    assert project.local(sys.executable, "-c", "pass") == LOST, project.output


def test_an_internal_error_of_pytest(project):
    conftest = "def pytest_runtest_protocol(item):\n    raise RuntimeError('a plugin broke')\n"
    project.write(conftest=conftest, test_a=QUICK, test_b=QUICK)
    assert project.local() == LOST, project.output
    assert "a plugin broke" in project.output


def test_an_argument_that_pytest_refuses(project):
    project.write(test_a=QUICK, test_b=QUICK)
    assert project.local("pytest", "--no-such-option") in (USAGE, LOST), project.output
    assert "--no-such-option" in project.output


def test_a_coverage_threshold_counts_for_the_whole_suite(project):
    """Each shard alone reaches two thirds; together they reach all."""
    project.write(
        module="def one():\n    return 1\n\n\ndef two():\n    return 2\n",
        test_a="import module\n\ndef test_one():\n    assert module.one() == 1\n",
        test_b="import module\n\ndef test_two():\n    assert module.two() == 2\n",
    )
    exit = project.local("pytest", "--cov=module", "--cov-fail-under=100")
    assert exit == GREEN, project.output
    assert project.result["totals"]["passed"] == 2


def test_output_that_is_no_text_and_has_no_end(project):
    noise = """
        import sys

        def test_noise():
            for _ in range(200):
                sys.__stdout__.buffer.write(bytes(range(256)) * 64)
            sys.__stdout__.buffer.write(b"no line break")
    """
    project.write(test_a=noise, test_b=QUICK)
    assert project.local("pytest", "-s") == GREEN, project.output
    assert set(project.outcomes) == {"test_a.py::test_noise", "test_b.py::test_quick"}


def test_a_file_whose_import_ends_the_process_is_named(project):
    project.write(test_ends="import os\n\nos._exit(0)\n\n\ndef test_it():\n    pass\n", test_other=QUICK)
    assert project.local(flags=("--dynamic",)) == LOST, project.output
    assert project.outcomes == {"test_other.py::test_quick": "passed"}
    one_line_about(project, "test_ends.py")
