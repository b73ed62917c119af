"""Parts of the suites of Django and SymPy, run by coverage.py itself in three shards, each in a checkout of its own: every
report is what coverage.py combines and reports.

It takes minutes, so it runs only with PARALLEL_PYTEST_ALL_SOURCES=1.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")

from packages import CACHE, sources_of
from peers import combined, comparable, reports

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
PLACES = ["code", "runner/work", "checkout"]

pytestmark = pytest.mark.skipif(not os.environ.get("PARALLEL_PYTEST_ALL_SOURCES"), reason="takes minutes: PARALLEL_PYTEST_ALL_SOURCES=1")


@dataclass
class Suite:
    package: str
    needs: tuple
    # Of each shard, behind `coverage run`.
    shards: list
    settings: str
    # What only those who record need.
    recording: str


def pytest_of(names):
    return ["-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:cov", *names]


CORE = ["args", "arit", "assumptions", "basic", "containers", "diff", "evalf", "expand", "expr", "facts", "function", "numbers",
        "power", "relational", "subs", "symbol", "sympify"]
SUITES = [
    Suite(
        "django==5.2.8",
        ("asgiref==3.10.0", "sqlparse==0.5.3"),
        [["tests/runtests.py", "--parallel=1", *labels] for labels in
         (["utils_tests", "urlpatterns"], ["template_tests", "template_backends"], ["forms_tests", "queries", "signing"])],
        "branch = true",
        "source =\n  django\n  tests/template_tests\n  tests/queries",
    ),
    Suite(
        "sympy==1.14.0",
        ("mpmath==1.3.0", "hypothesis==6.140.2"),
        [pytest_of([f"sympy/core/tests/test_{name}.py" for name in CORE[number::3]]) for number in range(3)],
        "relative_files = true",
        "dynamic_context = test_function\nsource =\n  sympy/core\n  sympy/logic",
    ),
]
# Without `source`: with it coverage.py shortens the names in the XML, so that two files may get the same. Modules in an archive
# are left out by us, which is said, for their sources are no files.
REPORT = """
[run]
{settings}
[report]
omit = */*.egg/*
exclude_also =
    raise NotImplementedError
    def __repr__
partial_also = while .*:$
[paths]
all =
    .
    */code
    */runner/work
    */checkout
"""


def installed(requirements):
    """A folder with what a suite needs beside pytest."""
    folder = CACHE / "needs" / "-".join(requirements)
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target", partial]
        subprocess.run([*command, *requirements], check=True)
        partial.rename(folder)
    return folder


def run_shard(suite, words, place, data_file, recording):
    """Runs one shard in a copy of the sources; failures of tests are the suite's own affair."""
    shutil.copytree(sources_of(suite.package), place, copy_function=os.link)
    environment = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{installed(suite.needs)}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={recording}", f"--data-file={data_file}", *words]
    result = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert result.returncode in (0, 1) and data_file.exists(), result.stdout[-2000:] + result.stderr[-2000:]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.package)
def test_every_report_of_real_shards_is_that_of_coverage_py(tmp_path, monkeypatch, suite):
    settings = tmp_path / ".coveragerc"
    settings.write_text(REPORT.format(settings=suite.settings))
    recording = tmp_path / ".recordrc"
    recording.write_text(f"[run]\n{suite.settings}\n{suite.recording}\n")
    files = [str(tmp_path / f"data.{number}") for number in range(3)]
    for words, place, file in zip(suite.shards, PLACES, files):
        run_shard(suite, words, tmp_path / "places" / place, Path(file), recording)
    monkeypatch.chdir(sources_of(suite.package))

    reports(combined(files, settings, tmp_path), settings, tmp_path / "theirs", html=False)
    ours = tmp_path / "ours"
    environment = {**os.environ, "COVERAGE_RCFILE": str(settings)}
    subprocess.run([BINARY, "merge", "--output", ours, "--coverage", *files], check=True, env=environment, capture_output=True)

    found, expected = comparable(ours), comparable(tmp_path / "theirs")
    totals = expected["json"]["totals"]
    assert totals["covered_lines"] > 5_000
    print(f"\nshards of {suite.package}: {len(expected['json']['files'])} files, {totals['num_statements']} statements, "
          f"{totals.get('num_branches', 0)} branches", file=sys.__stderr__)
    differing = [path for path, file in expected["json"]["files"].items() if found["json"]["files"].get(path) != file]
    assert not differing
    for kind, report in expected.items():
        assert found[kind] == report, kind
    reports(ours / ".coverage", settings, tmp_path / "again", html=False)
    assert comparable(tmp_path / "again") == expected
    assert (tmp_path / "again/table.txt").read_text() == (tmp_path / "theirs/table.txt").read_text()
