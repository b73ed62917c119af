"""Real packages, recorded by three shards in three places: every report is what coverage.py combines and reports.

Each shard ran a random part of what coverage.py thinks possible: in the checkout, in a container, and on another runner.
coverage.py's reports on the data that we combine are the same. PARALLEL_PYTEST_ALL_SOURCES=1 takes more packages, and all of
each: coverage.py needs minutes for them.
"""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")
from coverage.exceptions import NotPython
from coverage.parser import PythonParser

from packages import sources_of
from peers import combined, comparable, reports

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
ALL = bool(os.environ.get("PARALLEL_PYTEST_ALL_SOURCES"))
# By the folders that are measured, as by several --cov.
PACKAGES = {"click==8.3.0": ["src/click", "examples"], "jinja2==3.1.6": ["src/jinja2"]}
if ALL:
    PACKAGES |= {
        "werkzeug==3.1.3": ["src/werkzeug", "tests"],
        "django==5.2.8": ["django", "tests/admin_views", "tests/queries"],
        "sympy==1.14.0": ["sympy/core", "sympy/simplify"],
    }
CASES = [(package, branch) for package in PACKAGES for branch in (False, True) if ALL or branch == package.startswith("click")]

SETTINGS = """
[run]
branch = {branch}
relative_files = {branch}
[report]
exclude_also =
    raise NotImplementedError
    def __repr__
    if (typing\\.)?TYPE_CHECKING
partial_also = while .*:$
[paths]
all =
    .
    /code
    */runner/work
"""
PLACES = ["/code/", "/home/runner/work/", None]


def arcs(path):
    try:
        parser = PythonParser(filename=str(path))
        parser.parse_source()
        return sorted(parser.arcs())
    except (NotPython, SyntaxError, AssertionError):  # not Python, or coverage.py gives up
        return None


def record(folder, target, names, branch):
    """The data files of the shards."""
    chance = random.Random(7)
    possible = {name: arcs(folder / name) for name in names}
    possible = {name: found for name, found in possible.items() if found is not None}
    files = []
    for number, place in enumerate(PLACES):
        if place is None:
            place = "" if branch else f"{folder}/"
        data = coverage.CoverageData(str(target / f".coverage.{number}"))
        for context in ("", f"tests/test_{number}.py::test_it|run"):
            data.set_context(context)
            ran = {}
            for name in chance.sample(sorted(possible), len(possible) * 3 // 5):
                taken = {arc for arc in possible[name] if chance.random() < 0.3}
                ran[place + name] = taken if branch else {line for arc in taken for line in arc if line > 0}
            (data.add_arcs if branch else data.add_lines)(ran)
        data.write()
        files.append(str(target / f".coverage.{number}"))
    return files


def pages(folder):
    return {path.name: re.sub(r"created at [^<]*", "", path.read_text()) for path in sorted((folder / "html").glob("*.html"))}


@pytest.mark.parametrize("package, branch", CASES)
def test_every_report_is_that_of_coverage_py(tmp_path, monkeypatch, package, branch):
    folder = sources_of(package)
    monkeypatch.chdir(folder)
    names = [str(path.relative_to(folder)) for part in PACKAGES[package] for path in sorted((folder / part).rglob("*.py"))]
    names = names if ALL else names[::5]
    settings = tmp_path / ".coveragerc"
    settings.write_text(SETTINGS.format(branch=branch))
    files = record(folder, tmp_path, names, branch)

    reports(combined(files, settings, tmp_path), settings, tmp_path / "theirs")

    ours = tmp_path / "ours"
    environment = {**os.environ, "COVERAGE_RCFILE": str(settings)}
    subprocess.run([BINARY, "merge", "--output", ours, "--coverage", *files], check=True, env=environment, capture_output=True)
    found, expected = comparable(ours), comparable(tmp_path / "theirs")
    assert len(expected["json"]["files"]) >= 4
    for kind, report in expected.items():
        assert found[kind] == report, kind
    printed = subprocess.run([BINARY, "coverage", "report", "--coverage", *files], check=True, env=environment, capture_output=True, text=True)
    assert printed.stdout == (tmp_path / "theirs/table.txt").read_text()

    reports(ours / ".coverage", settings, tmp_path / "again")
    assert comparable(tmp_path / "again") == expected
    assert (tmp_path / "again/table.txt").read_text() == printed.stdout
    assert pages(tmp_path / "again") == pages(tmp_path / "theirs")
