"""A project in a temporary folder, and real pytests that run it whole or shard by shard.

The interpreters come from tests/setup/venvs; PYTEST_VENVS names another folder of them.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import textwrap
import time

import pytest

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "src" / "pytest" / "plugin.py"
CACHE = os.environ.get("PARALLEL_PYTEST_CACHE") or "~/.cache/parallel-pytest-tests"
VENVS = pathlib.Path(os.environ.get("PYTEST_VENVS") or os.path.expanduser(CACHE + "/venvs"))
NEWEST = "pytest9"
ALL = ("pytest7", "pytest8", "pytest9")

# The oracle: it knows nothing of the plugin, and the plugin nothing of it.
RECORDER = """
import json, os

WORST = ["passed", "skipped", "xfailed", "xpassed", "failed", "error"]
outcomes = {}

def pytest_runtest_logreport(report):
    outcome = report.outcome
    if outcome == "rerun" or hasattr(report, "context") and outcome != "failed":
        return
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    elif report.failed and report.when != "call":
        outcome = "error"
    worst = max(outcomes.get(report.nodeid, "passed"), outcome, key=WORST.index)
    outcomes[report.nodeid] = worst

def pytest_sessionfinish():
    with open(os.environ["RECORD"], "w") as file:
        json.dump(outcomes, file)
"""


class Result:
    """What one pytest left behind."""

    def __init__(self, process, folder):
        self.exit = process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")
        self.folder = folder
        self.events = read_events(folder / "events.jsonl")

    def of(self, kind, **wanted):
        """The events of one kind with these values."""
        chosen = [event for event in self.events if event["e"] == kind]
        return [event for event in chosen if wanted.items() <= event.items()]

    def one(self, kind, **wanted):
        found = self.of(kind, **wanted)
        assert len(found) == 1, (found, self.out, self.err)
        return found[0]

    @property
    def ids(self):
        """Every test that began and finished, as often as it did."""
        finished = [event["id"] for event in self.of("finish")]
        started = {event["id"] for event in self.of("start")}
        assert set(finished) == started, (finished, started)
        return finished

    @property
    def outcomes(self):
        outcomes = {}
        for event in self.of("phase"):
            outcome = event["outcome"]
            if outcome == "rerun" or "subtest" in event and outcome != "failed":
                continue
            if "xfail" in event:
                outcome = "xfailed" if outcome == "skipped" else "xpassed"
            elif outcome == "failed" and event["when"] != "call":
                outcome = "error"
            order = ["passed", "skipped", "xfailed", "xpassed", "failed", "error"]
            worst = max(outcomes.get(event["id"], "passed"), outcome, key=order.index)
            outcomes[event["id"]] = worst
        return outcomes


def read_events(path):
    """As strictly as the other side reads: UTF-8, no NaN, no lone surrogate."""
    if not path.exists():
        return []

    def refuse(constant):
        raise AssertionError(constant + " is no JSON")

    events = []
    for line in path.read_bytes().split(b"\n"):
        if line:
            event = json.loads(line.decode("utf-8"), parse_constant=refuse)
            json.dumps(event, ensure_ascii=False).encode("utf-8")
            events.append(event)
    return events


class Project:
    def __init__(self, root, name, plugin_dir):
        self.root = root
        self.name = name
        self.python = interpreter(name)
        self.plugin_dir = plugin_dir
        self.runs = 0
        self.write({"pytest.ini": "[pytest]\n"})

    def write(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def plan(self, total, files=None, tests=None):
        """Deals the test files out in turn, unless told otherwise."""
        shards = ["%d/%d" % (index + 1, total) for index in range(total)]
        if files is None:
            found = sorted(self.root.rglob("test_*.py"))
            names = [path.relative_to(self.root).as_posix() for path in found]
            files = {name: shards[turn % total] for turn, name in enumerate(names)}
        plan = {
            "version": 1,
            "digest": hashlib.sha256(repr((files, tests)).encode()).hexdigest(),
            "suite": "pytest",
            "hash_seed": 7,
            "shards": [{"shard": shard, "files": 0, "tests": 0} for shard in shards],
            "files": files,
            "tests": tests or {},
            "created_at": "2026-01-01T00:00:00Z",
        }
        (self.root / "plan.json").write_text(json.dumps(plan))
        return shards

    def queue(self, units, total=1):
        """A plan whose units are taken: each is a list of files, and of ids of cut ones."""
        self.plan(total)
        path = self.root / "plan.json"
        plan = json.loads(path.read_text())
        keys = {key: number for number, unit in enumerate(units) for key in unit}
        plan["queue"] = {
            "units": [unit[0] for unit in units],
            "files": {key: number for key, number in keys.items() if "::" not in key},
            "tests": {key: number for key, number in keys.items() if "::" in key},
        }
        path.write_text(json.dumps(plan))
        folder = self.root.parent / "queue"
        shutil.rmtree(folder, ignore_errors=True)
        for place in ("todo", "taken"):
            (folder / place).mkdir(parents=True)
        for number in range(len(units)):
            (folder / "todo" / ("%06d" % number)).touch()
        return folder

    def environment(self, more=()):
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "PARALLEL_PYTEST", "COV", "PYTHON"))
        }
        clean.update(PYTHONDONTWRITEBYTECODE="1", PYTHONHASHSEED="7", COLUMNS="120")
        clean.update(more)
        return clean

    def shard_environment(self, shard, folder, more=()):
        variables = {
            "PARALLEL_PYTEST_PLAN": str(self.root / "plan.json"),
            "PARALLEL_PYTEST_SHARD": shard,
            "PARALLEL_PYTEST_SHARD_DIR": str(folder),
            "PARALLEL_PYTEST_ROOT": str(self.root),
            "PYTHONPATH": str(self.plugin_dir),
            "PYTEST_PLUGINS": "parallel_pytest_plugin",
            "COVERAGE_FILE": str(folder / "coverage" / ".coverage"),
        }
        variables.update(more)
        return self.environment(variables)

    def command(self, arguments, randomly=False):
        shuffle = () if randomly else ("-p", "no:randomly")
        return [str(self.python), "-m", "pytest", *shuffle, *arguments]

    def new_folder(self):
        self.runs += 1
        return self.root.parent / ("shard-%d" % self.runs)

    def run(self, shard, *arguments, env=(), cwd=None, randomly=False, command=None):
        """One shard."""
        folder = self.new_folder()
        process = subprocess.run(
            command or self.command(arguments, randomly),
            cwd=cwd or self.root,
            env=self.shard_environment(shard, folder, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=120,
        )
        return Result(process, folder)

    def run_all(self, total, *arguments, **options):
        return [
            self.run("%d/%d" % (index, total), *arguments, **options)
            for index in range(1, total + 1)
        ]

    def run_until(self, what, number, *arguments, env=()):
        """One shard that gets a signal as soon as the log has `what` in it."""
        folder = self.new_folder()
        process = subprocess.Popen(
            self.command(arguments),
            cwd=self.root,
            env=self.shard_environment("1/1", folder, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        log = folder / "events.jsonl"
        while process.poll() is None and not (log.exists() and what in log.read_bytes()):
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return Result(
            subprocess.CompletedProcess(process.args, process.returncode, out, err), folder
        )

    def serial(self, *arguments, env=(), cwd=None):
        """What every test becomes in one plain pytest."""
        (self.root.parent / "recorder").mkdir(exist_ok=True)
        (self.root.parent / "recorder" / "recorder.py").write_text(RECORDER)
        record = self.root.parent / "record.json"
        variables = {"RECORD": str(record), "PYTHONPATH": str(record.parent / "recorder")}
        variables.update(env)
        process = subprocess.run(
            self.command(["-p", "recorder", *arguments]),
            cwd=cwd or self.root,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        assert record.exists(), process.stdout.decode()
        return json.loads(record.read_text())


@pytest.fixture(scope="session")
def plugin_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "parallel_pytest_plugin.py").write_text(PLUGIN.read_text())
    return folder


def interpreter(name):
    python = VENVS / name / "bin" / "python"
    assert python.exists(), "%s is missing: run tests/setup/venvs" % python
    return python


@pytest.fixture
def make_project(tmp_path, plugin_dir):
    def make(name):
        root = tmp_path / "project"
        root.mkdir()
        return Project(root, name, plugin_dir)

    return make


@pytest.fixture
def project(make_project):
    """A project under the newest pytest."""
    return make_project(NEWEST)


@pytest.fixture(params=ALL)
def any_project(make_project, request):
    """A project under every pytest that is supported."""
    return make_project(request.param)
