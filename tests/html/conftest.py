"""A report of a real run, open in a real browser."""

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
