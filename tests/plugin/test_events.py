"""The event log tells what happened, also when pytest does not get to tell it."""

import json
import signal

import pytest


def line_of(text, wanted):
    """The number of the line that contains `wanted`, as written by `Project.write`."""
    lines = text.strip("\n").split("\n")
    return next(number for number, line in enumerate(lines, 1) if wanted in line)


def test_a_test_is_told_from_start_to_finish(any_project):
    any_project.write({"test_a.py": "def test_it():\n    pass\n"})
    any_project.plan(1)
    result = any_project.run("1/1")
    kinds = [event["e"] for event in result.events]
    assert kinds == ["session", "items", "start", "phase", "phase", "phase", "finish", "end"]
    session, items = result.events[:2]
    assert session["version"] == 1 and session["shard"] == "1/1"
    assert session["digest"] == json.loads((any_project.root / "plan.json").read_text())["digest"]
    assert session["python"] and session["pytest"][0] in "789"
    assert items["items"] == [
        {"id": "test_a.py::test_it", "file": "test_a.py", "path": "test_a.py", "line": 1}
    ]
    assert [event["when"] for event in result.of("phase")] == ["setup", "call", "teardown"]
    times = [event["at"] for event in result.events]
    assert times == sorted(times) and times[-1] - times[0] < 100
    assert result.one("end")["exit"] == 0


FAILURES = """
import logging
import sys
import pytest
import helper

def test_assert():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    logging.warning("to the log")
    assert 1 == 2, "first line\\nsecond line"

def test_helper():
    helper.check(3)

def test_library():
    import json
    json.loads("{")

def test_hidden():
    helper.hidden()

@pytest.fixture
def broken():
    raise ValueError("no fixture")

def test_setup(broken):
    pass

@pytest.fixture
def broken_end():
    yield
    raise ValueError("no end")

def test_teardown(broken_end):
    pass

def test_no_fixture(nowhere):
    pass

def test_skip():
    pytest.skip("because of this")

@pytest.mark.skip(reason="marked")
def test_marked():
    pass

@pytest.mark.xfail(reason="a bug")
def test_xfail():
    assert 0

def test_xfail_call():
    pytest.xfail("said here")

@pytest.mark.xfail(reason="a bug")
def test_xpass():
    pass

@pytest.mark.xfail(strict=True, reason="a bug")
def test_xpass_strict():
    pass

@pytest.mark.xfail
def test_xfail_without_reason():
    assert 0
"""

HELPER = """
def check(number):
    if number:
        raise RuntimeError("from the helper")

def hidden():
    __tracebackhide__ = True
    raise RuntimeError("hidden")
"""


def test_says_what_failed_why_and_where(any_project):
    any_project.write({"test_f.py": FAILURES, "helper.py": HELPER})
    any_project.plan(1)
    result = any_project.run("1/1")
    not_passed = [event for event in result.of("phase") if event["outcome"] != "passed"]
    told = {event["id"].split("::")[1]: event for event in not_passed}

    def check(test, when, outcome, message, line=None, path="test_f.py"):
        event = told[test]
        found = (event["when"], event["outcome"], event["message"])
        assert found == (when, outcome, message)
        assert (event.get("path"), event.get("line")) == (path, line)
        return event

    line = lambda wanted: line_of(FAILURES, wanted)
    failed = check("test_assert", "call", "failed", "AssertionError: first line", line("1 == 2"))
    assert "second line" in failed["text"] and ">       assert 1 == 2" in failed["text"]
    assert failed["out"] == "to stdout\n"
    assert failed["err"].startswith("to stderr\n") and "to the log" in failed["err"]
    check("test_helper", "call", "failed", "RuntimeError: from the helper", line_of(HELPER, "raise"), "helper.py")
    assert told["test_library"]["message"].startswith("json.decoder.JSONDecodeError: ")
    assert (told["test_library"]["path"], told["test_library"]["line"]) == ("test_f.py", line("json.loads"))
    check("test_hidden", "call", "failed", "RuntimeError: hidden", line("helper.hidden()"))
    check("test_setup", "setup", "failed", "ValueError: no fixture", line("no fixture"))
    check("test_teardown", "teardown", "failed", "ValueError: no end", line("no end"))
    assert told["test_no_fixture"]["message"] == "fixture 'nowhere' not found"
    skipped = check("test_skip", "call", "skipped", "because of this", line("because"))
    assert skipped["text"] == "" and "out" not in skipped
    check("test_marked", "setup", "skipped", "marked", line("def test_marked") - 1)
    assert check("test_xfail", "call", "skipped", "assert 0", line("def test_xfail():") + 1)["xfail"] == "a bug"
    assert told["test_xfail_call"]["xfail"] == "said here"
    assert told["test_xfail_without_reason"]["xfail"] == ""
    assert result.one("phase", id="test_f.py::test_xpass", when="call")["xfail"] == "a bug"
    assert told["test_xpass_strict"]["message"].startswith("[XPASS(strict)]")
    assert all("text" not in event for event in result.of("phase", outcome="passed"))


def test_points_to_the_project_not_to_what_is_installed_below_it(project):
    library = "def call(function):\n    raise KeyError('deep')\n"
    project.write(
        {
            ".venv/lib/python3/site-packages/library.py": library,
            "test_a.py": """
                import sys
                sys.path.insert(0, ".venv/lib/python3/site-packages")
                import library

                def test_it():
                    library.call(None)
            """,
        }
    )
    project.plan(1)
    failed = project.run("1/1").one("phase", outcome="failed")
    assert (failed["path"], failed["line"]) == ("test_a.py", 6)


def test_a_definition_in_another_file_and_outside_the_root(project):
    project.write(
        {
            "base.py": "class Base:\n    def test_inherited(self):\n        pass\n",
            "test_a.py": "from base import Base\n\nclass TestIt(Base):\n    pass\n",
            "../outside/pytest.ini": "[pytest]\n",
            "../outside/test_b.py": "def test_it():\n    pass\n",
        }
    )
    project.plan(1)
    item = project.run("1/1").one("items")["items"][0]
    assert item == {"id": "test_a.py::TestIt::test_inherited", "file": "test_a.py", "path": "base.py", "line": 2}
    outside = project.root.parent / "outside"
    item = project.run("1/1", cwd=outside).one("items")["items"][0]
    assert (item["id"], item["file"]) == ("test_b.py::test_it", str(outside / "test_b.py"))


def test_huge_and_broken_text_stays_readable(project):
    project.write(
        {
            "test_a.py": """
                import os, sys

                def test_big():
                    print("first\\n" + "x" * 10_000_000 + "\\nlast out")
                    sys.stderr.write("é" * 5_000_000 + "last err")
                    raise AssertionError("begin " + "日本" * 1_000_000 + " end")

                def test_broken():
                    os.write(1, b"\\xff\\xfe\\0 bytes \\xed\\xa0\\x80")
                    raise AssertionError("lone \\ud800 surrogate, nul \\0, escape \\x1b[31m, \\u2028")
            """
        }
    )
    project.plan(1)
    result = project.run("1/1", "--tb=short")
    big, broken = result.of("phase", outcome="failed")
    for name, limit in (("text", 65536), ("out", 65536), ("err", 65536), ("message", 1024)):
        size = len(big[name].encode("utf-8"))
        assert limit - 100 < size <= limit, (name, size)
        assert "bytes cut ...]" in big[name]
    assert big["text"].startswith("test_a.py:6: in test_big") and big["text"].endswith(" end")
    assert big["out"].endswith("\nlast out\n") and big["err"].endswith("élast err")
    assert "\\ud800" in broken["message"] and "\0" in broken["message"]


def test_tells_what_shared_fixtures_cost(any_project):
    any_project.write(
        {
            "conftest.py": """
                import time
                import pytest

                @pytest.fixture(scope="session")
                def database():
                    time.sleep(0.2)

                @pytest.fixture(scope="module")
                def table(request):
                    request.getfixturevalue("database")
                    time.sleep(0.05)

                @pytest.fixture
                def row(table):
                    time.sleep(0.05)
            """,
            "tests/test_a.py": """
                import time

                class TestIt:
                    @classmethod
                    def setup_class(cls):
                        time.sleep(0.03)

                    def test_one(self, row):
                        pass

                    def test_two(self, row):
                        pass
            """,
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1")
    told = {(event["scope"], event["name"], event["node"]): event["seconds"] for event in result.of("fixture")}
    session = told.pop(("session", "database", ""))
    module = told.pop(("module", "table", "tests/test_a.py"))
    (scope, _, node), setup_class = told.popitem()
    assert (scope, node, told) == ("class", "tests/test_a.py::TestIt", {})
    assert session >= 0.2 and 0.05 <= module < session and setup_class >= 0.03
    assert {event["test"] for event in result.of("fixture")} == {"tests/test_a.py::TestIt::test_one"}
    setups = [event["seconds"] for event in result.of("phase", when="setup")]
    assert setups[0] > 0.3 > setups[1] > 0.05


def test_tells_what_importing_each_file_took(any_project):
    slow = "import time\n\ntime.sleep(0.2)\n\ndef test_it():\n    pass\n"
    files = {"a/test_slow.py": slow, "test_fast.py": "def test_it():\n    pass\n", "test_not_ours.py": slow}
    any_project.write(files)
    any_project.plan(2, {"a/test_slow.py": "1/2", "test_fast.py": "1/2", "test_not_ours.py": "2/2"})
    for arguments in ((), tuple(files)):
        imports = dict(any_project.run("1/2", *arguments).one("items")["imports"])
        assert set(imports) == {"a/test_slow.py", "test_fast.py"}
        assert imports["a/test_slow.py"] >= 0.2 > imports["test_fast.py"]


def test_tells_what_ties_tests_together(any_project):
    any_project.write(
        {
            "pytest.ini": "[pytest]\nmarkers =\n    xdist_group\n    dependency\n    incremental\n",
            "test_a.py": """
                import pytest

                @pytest.mark.xdist_group("db")
                @pytest.mark.slow_is_none_of_them
                def test_group():
                    pass

                @pytest.mark.xdist_group(name="cache")
                class TestGroup:
                    @pytest.mark.incremental
                    def test_in(self):
                        pass

                @pytest.mark.dependency()
                def test_first():
                    pass

                @pytest.mark.dependency(depends=["x"], scope="session")
                def test_wide():
                    pass

                def test_free():
                    pass

                @pytest.mark.parametrize("thing, text", [(object(), "a"), ([object()], "b"), ([{1: b""}], "c")])
                def test_thing(thing, text):
                    pass

                @pytest.mark.parametrize("thing", [object(), int], ids=["one", None])
                @pytest.mark.parametrize("number, text", [(1, "thing1"), (0, "text")])
                def test_told(number, text, thing):
                    pass
            """,
        }
    )
    any_project.plan(1)
    items = any_project.run("1/1").one("items")["items"]
    assert {item["id"].split("::")[-1]: item.get("groups") for item in items} == {
        "test_group": ["g:db"],
        "test_in": ["c:incremental", "g:cache"],
        "test_first": ["m:dependency"],
        "test_wide": ["g:dependency"],
        "test_free": None,
        "test_thing[thing0-a]": ["f:parameters"],
        "test_thing[thing1-b]": ["f:parameters"],
        "test_thing[thing2-c]": None,
        "test_told[1-thing1-one]": None,
        "test_told[0-text-one]": None,
        # Said of one too many: only pytest knows where this part of the id comes from.
        "test_told[1-thing1-int]": ["f:parameters"],
        "test_told[0-text-int]": None,
    }


@pytest.mark.parametrize(
    "body, line",
    [("import nowhere_at_all\n", 1), ("def test_it(:\n", 1), ("x = 1\n\nassert x == 2\n", 3)],
)
def test_a_file_that_cannot_be_collected_is_told_with_its_line(any_project, body, line):
    any_project.write({"tests/test_bad.py": body, "tests/test_good.py": "def test_it():\n    pass\n"})
    any_project.plan(2, files={"tests/test_bad.py": "1/2", "tests/test_good.py": "2/2"})
    bad = any_project.run("1/2")
    error = bad.one("collect_error")
    assert (bad.exit, error["what"], error["path"], error["line"]) == (2, "tests/test_bad.py", "tests/test_bad.py", line)
    assert error["message"] and error["message"] in error["text"]
    assert bad.one("items")["items"] == [] and not bad.of("interrupted")
    assert bad.one("end")["exit"] == 2


def test_a_module_that_skips_itself_is_no_error(project):
    project.write({"test_a.py": "import pytest\npytest.importorskip('nowhere_at_all')\n"})
    project.plan(1)
    result = project.run("1/1")
    skip = result.one("collect_skip")
    assert skip["what"] == "test_a.py" and "nowhere_at_all" in skip["message"]
    assert not result.of("collect_error") and result.exit == 5 == result.one("end")["exit"]


def test_an_internal_error_is_told(any_project):
    any_project.write(
        {
            "conftest.py": "def pytest_runtest_setup(item):\n    pass\n\ndef pytest_runtest_logfinish():\n    raise LookupError('inside')\n",
            "test_a.py": "def test_it():\n    pass\n",
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1")
    assert result.exit == 3 == result.one("end")["exit"]
    assert "LookupError: inside" in result.one("internal_error")["text"]


def test_an_exit_within_a_test_leaves_it_unfinished(any_project):
    body = "import os\n\ndef test_one():\n    pass\n\ndef test_exit():\n    os._exit(7)\n\ndef test_three():\n    pass\n"
    any_project.write({"test_a.py": body})
    any_project.plan(1)
    result = any_project.run("1/1")
    assert result.exit == 7 and not result.of("end")
    assert [event["id"] for event in result.of("start")] == ["test_a.py::test_one", "test_a.py::test_exit"]
    assert [event["id"] for event in result.of("finish")] == ["test_a.py::test_one"]
    assert len(result.one("items")["items"]) == 3


SLEEPER = """
import time

def test_one():
    pass

def test_sleeps():
    time.sleep(60)
"""


def test_a_kill_leaves_the_running_test_in_the_log(project):
    project.write({"test_a.py": SLEEPER})
    project.plan(1)
    result = project.run_until(b'"start","id":"test_a.py::test_sleeps"', signal.SIGKILL)
    assert result.exit == -signal.SIGKILL
    assert result.of("start")[-1]["id"] == "test_a.py::test_sleeps"
    assert [event["id"] for event in result.of("finish")] == ["test_a.py::test_one"]
    assert not result.of("end")


def test_an_interrupt_is_told(any_project):
    any_project.write({"test_a.py": SLEEPER})
    any_project.plan(1)
    result = any_project.run_until(b'"call"', signal.SIGINT)
    assert result.exit == 2 == result.one("end")["exit"]
    assert "KeyboardInterrupt" in result.one("interrupted")["text"]


def test_a_log_that_was_cut_within_a_line_goes_on_with_the_next(project):
    project.write({"test_a.py": "def test_it():\n    pass\n"})
    project.plan(1)
    folder = project.root.parent / "shard-1"
    folder.mkdir()
    (folder / "events.jsonl").write_text('{"e":"start","id":"tes')
    with pytest.raises(json.JSONDecodeError):
        project.run("1/1")
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["e"] == "session"


def test_two_sessions_follow_each_other_in_one_log(project):
    project.write({"test_a.py": "def test_it():\n    pass\n", "test_b.py": "def test_it():\n    assert 0\n"})
    project.plan(1)
    both = " ".join(project.command(["test_%s.py"]))
    result = project.run("1/1", command=["sh", "-c", "%s; %s" % (both % "a", both % "b")])
    assert [event["e"] for event in result.events if event["e"] in ("session", "end")] == ["session", "end"] * 2
    assert [event["exit"] for event in result.of("end")] == [0, 1]


def test_stopping_early_is_told(project):
    project.write({"test_a.py": "def test_one():\n    assert 0\n\ndef test_two():\n    pass\n"})
    project.plan(1)
    result = project.run("1/1", "-x")
    assert result.exit == 1 and result.ids == ["test_a.py::test_one"]
    assert result.one("interrupted")["text"] == "stopping after 1 failures"


@pytest.mark.parametrize(
    "conftest, arguments, exit_status",
    [
        ("", ["--no-such-option"], 4),
        ("", ["nowhere.py"], 4),
        ("import pytest\ndef pytest_configure():\n    raise pytest.UsageError('no')\n", [], 4),
        ("def pytest_configure():\n    raise LookupError('no')\n", [], 3),
        ("import pytest\ndef pytest_sessionstart():\n    pytest.exit('no', 42)\n", [], 42),
        ("def pytest_sessionfinish(session):\n    session.exitstatus = 9\n", [], 9),
    ],
)
def test_the_end_has_the_exit_status(any_project, conftest, arguments, exit_status):
    any_project.write({"test_a.py": "def test_it():\n    pass\n", "conftest.py": conftest})
    any_project.plan(1)
    result = any_project.run("1/1", *arguments)
    if "def pytest_configure():\n    raise LookupError" in conftest:
        assert result.exit in (1, 3)
        exit_status = result.exit
    assert result.exit == exit_status
    # Options are read before any plugin is configured.
    if arguments != ["--no-such-option"]:
        assert result.one("end")["exit"] == exit_status


def test_subtests_are_told_apart(any_project):
    any_project.write(
        {
            "test_a.py": """
                import unittest

                def test_it(subtests):
                    for number in range(4):
                        with subtests.test("try", number=number):
                            assert number != 2

                class Old(unittest.TestCase):
                    def test_it(self):
                        for number in range(3):
                            with self.subTest("again", number=number):
                                self.assertNotEqual(number, 1)
            """
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1")
    assert result.outcomes == any_project.serial()
    assert result.outcomes["test_a.py::test_it"] == "failed"
    failed = [(event["id"], event["subtest"], event["line"]) for event in result.of("phase", outcome="failed") if "subtest" in event]
    assert failed == [
        ("test_a.py::test_it", "[try] (number=2)", 6),
        ("test_a.py::Old::test_it", "[again] (number=1)", 12),
    ]


def test_every_attempt_of_a_rerun_is_told(any_project):
    any_project.write(
        {
            "test_a.py": """
                import pytest

                tries = []

                def test_flaky():
                    tries.append(1)
                    print("try", len(tries))
                    assert len(tries) == 3

                def test_hopeless():
                    assert 0

                def test_fine():
                    pass
            """
        }
    )
    any_project.plan(1)
    arguments = ["--reruns=2", "-p", "no:cacheprovider"]
    result = any_project.run("1/1", *arguments)
    assert result.outcomes == any_project.serial(*arguments)
    flaky = result.of("phase", id="test_a.py::test_flaky", when="call")
    assert [event["outcome"] for event in flaky] == ["rerun", "rerun", "passed"]
    assert flaky[0]["line"] == 8 and flaky[0]["out"] == "try 1\n"
    assert sorted(result.ids) == sorted(event["id"] for event in result.of("start"))
    assert len(result.ids) == 3
    hopeless = result.of("phase", id="test_a.py::test_hopeless", when="call")
    assert [event["outcome"] for event in hopeless] == ["rerun", "rerun", "failed"]


def test_tests_cannot_break_the_log(project):
    project.write(
        {
            "test_a.py": """
                import os, time, multiprocessing

                def test_closes_everything():
                    os.closerange(3, 64)
                    global mine
                    mine = [open("mine-%d.txt" % number, "w") for number in range(9)]

                def test_fakes(monkeypatch):
                    def refuse(*arguments):
                        raise OSError("fake")
                    for name in ("open", "write", "fstat", "getpid"):
                        monkeypatch.setattr(os, name, refuse)
                    for name in ("time", "perf_counter", "monotonic"):
                        monkeypatch.setattr(time, name, lambda: 0.0)

                def test_changes_folder():
                    os.chdir("/")
                    assert 0

                def test_forks():
                    if os.fork() == 0:
                        return
                    os.wait()
            """
        }
    )
    project.plan(1)
    result = project.run("1/1", "-s")
    assert len(result.ids) == 4 and result.of("end")
    assert all(event["at"] > 1_000_000_000 for event in result.events if "at" in event)
    assert {path.read_text() for path in project.root.glob("mine-*.txt")} == {""}
    failed = result.one("phase", outcome="failed")
    assert (failed["path"], failed["line"]) == ("test_a.py", 18)


def test_a_full_disk_is_said_and_fails_no_test(project):
    project.write({"test_a.py": "def test_it():\n    pass\n"})
    project.plan(1)
    pytest_command = project.command(["-s", "-p", "no:junitxml", "-p", "no:cacheprovider"])
    result = project.run("1/1", command=["sh", "-c", "ulimit -f 0; " + " ".join(pytest_command)])
    assert result.exit == 0 and result.events == []
    assert result.err.count("cannot write") == 1, result.err
    assert "events.jsonl could not be written to its end" in result.err, result.err


def test_a_disk_that_is_full_for_a_while_loses_nothing(any_project):
    """The first event that it has no room for is cut in its middle, as full disks do."""
    any_project.write(
        {
            "test_a.py": """
                import os, resource
                import pytest

                LOG = os.environ["COVERAGE_FILE"].replace("coverage/.coverage", "events.jsonl")

                def limit(size):
                    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

                def test_fills():
                    limit(os.path.getsize(LOG) + 20)

                @pytest.mark.parametrize("number", range(50))
                def test_without_room(number):
                    assert number != 7

                def test_has_room_again():
                    limit(resource.RLIM_INFINITY)

                def test_after():
                    pass
            """
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1", "-s", "-p", "no:cacheprovider")
    assert result.err.count("cannot write") == 1 and "lost" not in result.err, result.err
    assert len(result.of("start")) == len(result.of("finish")) == 53
    assert result.one("end")["exit"] == 1


def test_what_a_test_records_about_itself_is_told_when_it_ends(any_project):
    any_project.write(
        {
            "test_a.py": """
                def test_it(record_property):
                    record_property("ticket", 42)
                    record_property("note", "<&>\\n")
            """
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1")
    told = {event["when"]: event.get("properties") for event in result.of("phase")}
    assert told == {"setup": None, "call": None, "teardown": [["ticket", "42"], ["note", "<&>\n"]]}
