"""A report of a real run, open in a real browser."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ["PARALLEL_PYTEST_CACHE"])
BINARY = os.environ["PARALLEL_PYTEST_BINARY"]
PYTHON = CACHE / "venvs/html/bin"

FLAKY = """
from pathlib import Path

def test_is_fine_the_second_time():
    seen = Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    assert not first, "the socket was not there yet"
"""


def run_example(folder):
    """The example suite with its red tests and a flaky one, in four shards; gives back the page."""
    suite = folder / "suite"
    shutil.copytree(ROOT / "tests/example", suite, ignore=shutil.ignore_patterns("__pycache__", ".*_cache", ".parallel-pytest", "report"))
    (suite / "red/test_flaky.py").write_text(FLAKY)
    path = f"{PYTHON}:{os.environ['PATH']}"
    command = [BINARY, "local", "--shards", "4", "--output", folder / "report", "--", "pytest", "tests", "bookshop", "red",
               "--cov", "--cov-branch", "--reruns", "1", "--only-rerun", "socket", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=suite, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1, done.stdout
    return folder / "report/report.html"


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    return run_example(tmp_path_factory.mktemp("html"))


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # Containers that run as root have no namespaces for chromium's own sandbox.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


class Page:
    """A tab with the report, which has complained about nothing and asked nobody for anything."""

    def __init__(self, browser, file, **options):
        self.context = browser.new_context(viewport={"width": 1400, "height": 900}, **options)
        self.tab = self.context.new_page()
        self.complaints = []
        self.requests = []
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.url = file.as_uri()
        self.tab.goto(self.url)

    def screenshot(self, name):
        """Kept beside the caches, for people to look at."""
        folder = CACHE / "screenshots"
        folder.mkdir(exist_ok=True)
        self.tab.screenshot(path=folder / f"{name}.png")

    def close(self):
        self.context.close()
        assert self.complaints == []
        assert [url.split("#")[0] for url in self.requests] == [self.url] * len(self.requests)


@pytest.fixture
def open_page(browser, report):
    pages = []

    def opened(file=report, **options):
        pages.append(Page(browser, file, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def publish(folder, *options, cwd):
    done = subprocess.run([BINARY, "publish", "--reports", folder, *options], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")})
    return done.returncode, done.stdout


@pytest.fixture(scope="session")
def compared(report):
    """The same run once more, beside a baseline in which one failing test passed, one passing test failed, one was skipped no more,
    one had another name, and one was there."""
    result = json.loads((report.parent / "result.json").read_text())
    tests = {test["id"]: test for test in result["tests"]}
    for test, outcome in ((tests["red/test_red.py::test_a_comparison_fails"], "passed"),
                          (next(test for test in tests.values() if test["outcome"] == "passed"), "failed"),
                          (next(test for test in tests.values() if test["outcome"] == "skipped"), "passed")):
        test["outcome"] = outcome
    tests["red/test_red.py::test_its_setup_fails"]["id"] = "red/test_red.py::test_its_set_up_fails"
    result["tests"].append({**result["tests"][0], "id": "red/test_gone.py::test_that_was_there"})
    result["commit"] = "fedcba9876543210"
    result["coverage"]["covered"] -= 20
    base = report.parent.parent / "baseline.json"
    base.write_text(json.dumps(result))
    suite = report.parent.parent / "suite"
    output = report.parent.parent / "compared"
    status, said = publish(suite / ".parallel-pytest", "--output", output, "--baseline", base, "--fail-on", "regressions", cwd=suite)
    assert status == 1, said
    return output / "report.html"


TESTS, FILES, LINES = 50_000, 2_000, 120


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """A run of 50,000 tests and 2,000 files, made from the log of a run of one test."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "test_one.py").write_text("def test_one():\n    assert False, 'seven is not eight'\n")
    path = f"{PYTHON}:{os.environ['PATH']}"
    command = [BINARY, "local", "--shards", "1", "--", "pytest", "-p", "no:cacheprovider", "-p", "no:django"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL)
    shard = folder / ".parallel-pytest/shard-1-of-1"
    log = [json.loads(line) for line in (shard / "events.jsonl").read_text().splitlines()]
    session, items, *events, end = log
    names = [f"tests/area_{n // 2000}/test_module_{n // 40}.py::TestCase{n // 10}::test_it_does_what_it_says[{n}-value]" for n in range(TESTS)]
    items["items"] = [{**items["items"][0], "id": name, "file": name.split("::")[0], "path": name.split("::")[0]} for name in names]
    with open(shard / "events.jsonl", "w") as out:
        for event in (session, items):
            print(json.dumps(event), file=out)
        for n, name in enumerate(names):
            for event in events:
                if event["e"] == "phase" and event["when"] == "call":
                    event = {**event, "seconds": n % 977 / 100} if n % 50 == 0 else {**EMPTY, "seconds": n % 977 / 1000, "at": event["at"]}
                print(json.dumps({**event, "id": name}), file=out)
        print(json.dumps(end), file=out)
    files = {}
    for n in range(FILES):
        source = folder / f"src/package_{n // 20}/module_{n}.py"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("".join(f"value_{n}_{line} = function_{line * 7 % 13}(value_{line})\n" for line in range(LINES)))
        lines = list(range(1, LINES + 1))
        files[str(source.relative_to(folder))] = {"executed_lines": lines[: LINES - n % 50], "missing_lines": lines[LINES - n % 50 :], "excluded_lines": [], "summary": {}}
    (shard / "coverage.json").write_text(json.dumps({"meta": {"format": 3, "version": "7.17.3", "branch_coverage": False}, "files": files}))
    status, said = publish(folder / ".parallel-pytest", "--output", folder / "report", cwd=folder)
    assert status == 1, said[-2000:]
    return folder / "report/report.html"


EMPTY = {"e": "phase", "when": "call", "outcome": "passed"}
