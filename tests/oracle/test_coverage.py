"""Merged data and every report of it, field by field what coverage.py combines and reports.

Random data of a small project: lines or branches, contexts, absolute and relative paths and those of a container,
settings in any of coverage.py's files. coverage.py runs in this process, which takes a tenth of the time.
"""

import concurrent.futures
import contextlib
import io
import itertools
import json
import os
import random
import re
import sqlite3
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")
from coverage.parser import PythonParser

import programs

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
DATA_SETS = int(os.environ.get("PARALLEL_PYTEST_DATA_SETS", "40"))

NAMES = ["top.py", "src/pkg/__init__.py", "src/pkg/core.py", "src/pkg/sub9/a.py", "src/pkg/sub10/b.py", "src/pkg/sub10/empty.py",
         "tests/test_core.py", "src/pkg/odd-näme.py"]


class Project:
    """A folder with sources, settings and the data files of shards."""

    def __init__(self, folder, seed, names=NAMES):
        self.chance = random.Random(seed)
        self.folder = folder
        self.names = names
        self.branch = self.chance.random() < 0.6
        self.relative = self.chance.random() < 0.4
        texts = (text for _, text in programs.programs(len(names), seed * 1000))
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("# nothing\n" if "empty" in name else next(texts))
        self.possible = {name: self.what_can_run(name) for name in names}
        self.write_settings()
        self.shards = [self.write_shard(number) for number in range(self.chance.randint(1, 4))]

    def maybe(self, options):
        return {name: value for name, value in options.items() if self.chance.random() < 0.3}

    def write_settings(self):
        report = self.maybe({
            "exclude_also": ["raise E", "^class a", r"x \+= 1$"],
            "exclude_lines": ["# pragma:", "def b"],
            "partial_also": ["while x", "if f"],
            "omit": ["*/sub9/*", "tests/*"],
            "include": ["src/*", "top.py", "*/test_*.py"],
            "precision": 2,
            "skip_empty": True,
            "skip_covered": True,
            "show_missing": True,
            "sort": self.chance.choice(["-cover", "stmts", "miss", "name", "-name"]),
        })
        sections = {
            "run": {"relative_files": self.relative, "branch": self.branch},
            "report": report,
            "xml": self.maybe({"package_depth": 2}),
            "json": self.maybe({"pretty_print": True}),
            "paths": {"all": [".", "/app", "*/checkout"]},
        }
        prefix, name = self.chance.choice([("", ".coveragerc"), ("coverage:", "setup.cfg"), ("coverage:", "tox.ini"), ("tool.coverage.", "pyproject.toml")])
        lines = []
        for section, options in sections.items():
            lines.append(f"[{prefix}{section}]")
            for option, value in options.items():
                if name.endswith("toml"):
                    lines.append(f"{option} = {json.dumps(value)}")
                else:
                    lines.append(f"{option} = " + ("\n    ".join(["", *value]) if isinstance(value, list) else str(value)))
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def write_shard(self, number):
        path = self.folder / f".coverage.shard{number}"
        data = coverage.CoverageData(str(path))
        place = self.chance.choice([str(self.folder), "/app", "C:\\w\\checkout", "" if self.relative else str(self.folder)])
        for context in self.chance.choice([[""], ["", "a|run", "b|run"]]):
            data.set_context(context)
            ran = {}
            for name in self.chance.sample(self.names, self.chance.randint(1, len(self.names))):
                spelled = f"{place}/{name}" if place else name
                if place.startswith("C:"):
                    spelled = spelled.replace("/", "\\")
                ran[spelled] = {item for item in self.possible[name] if self.chance.random() < 0.4}
            (data.add_arcs if self.branch else data.add_lines)(ran)
            if self.chance.random() < 0.2:
                data.touch_files([f"{place}/{self.names[0]}" if place and not place.startswith("C:") else spelled])
        data.write()
        return path

    def what_can_run(self, name):
        parser = PythonParser(filename=str(self.folder / name))
        parser.parse_source()
        try:
            return sorted(parser.arcs() if self.branch else parser.raw_statements)
        except AssertionError:  # coverage.py gives up on this source
            return []

    def theirs(self, data_files, target):
        """What coverage.py reports, or why it does not."""
        target.mkdir()
        cov = coverage.Coverage(data_file=str(target / ".coverage"), messages=False)
        if data_files:
            cov.combine([str(path) for path in data_files], strict=True, keep=True)
            cov.save()
        else:
            os.symlink(self.folder / "ours/.coverage", target / ".coverage")
            cov.load()
        cov.json_report(outfile=str(target / "coverage.json"))
        cov.xml_report(outfile=str(target / "coverage.xml"))
        cov.lcov_report(outfile=str(target / "lcov.info"))
        text = io.StringIO()
        cov.report(file=text)
        (target / "table.txt").write_text(text.getvalue())

    def ours(self, data_files):
        run(self.folder, "merge", "--output", "ours", "--coverage", *data_files)


def run(folder, *words, status=0):
    result = subprocess.run([BINARY, *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    return result


def without(text, *patterns):
    for pattern in patterns:
        text = re.sub(pattern, "", text)
    return text


def read_json(path):
    report = json.loads(path.read_text())
    del report["meta"]["timestamp"], report["meta"]["version"]
    return report


def read_xml(path):
    return without(path.read_text(), r' (version|timestamp)="[^"]*"', r"<!--.*-->", r"(?s)<sources(?:/>|>.*</sources>)")


@contextlib.contextmanager
def inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def projects(tmp_path, first, count, names=NAMES):
    """Projects of which coverage.py has something to report, and its reports on them."""
    for seed in itertools.count(first):
        if count == 0:
            return
        folder = tmp_path / str(seed)
        folder.mkdir()
        project = Project(folder, seed, names)
        with inside(folder):
            try:
                project.theirs(project.shards, folder / "theirs")
            except (coverage.exceptions.CoverageException, AssertionError):
                continue  # nothing to report, or a source coverage.py gives up on
        count -= 1
        project.ours(project.shards)
        yield folder, project


def check_reports(ours, theirs):
    assert read_json(ours / "coverage.json") == read_json(theirs / "coverage.json"), ours
    assert read_xml(ours / "coverage.xml") == read_xml(theirs / "coverage.xml"), ours
    assert (ours / "lcov.info").read_text() == (theirs / "lcov.info").read_text(), ours


def test_random_data_sets(tmp_path):
    for folder, project in projects(tmp_path, 1, DATA_SETS):
        assert all(path.exists() for path in project.shards), "inputs are never deleted"
        ours, theirs = folder / "ours", folder / "theirs"
        check_reports(ours, theirs)
        assert run(folder, "coverage", "report", "--coverage", "ours/.coverage").stdout == (theirs / "table.txt").read_text(), folder
        # The combined file is one of coverage.py's own.
        connection = sqlite3.connect(ours / ".coverage")
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        connection.close()
        with inside(folder):
            project.theirs([], folder / "again")
        check_reports(folder / "again", theirs)
        assert (folder / "again/table.txt").read_text() == (theirs / "table.txt").read_text(), folder


def check_small(folder, first, count):
    for project, _ in projects(folder, first, count, ["src/pkg/core.py", "tests/test_core.py"]):
        check_reports(project / "ours", project / "theirs")


def test_random_small_data_sets(tmp_path):
    """With those above they are 500."""
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        halves = [pool.submit(check_small, tmp_path, first, max(0, 500 - DATA_SETS) // 2) for first in (100_000, 200_000)]
        for half in halves:
            half.result()


def test_reports_of_shards_are_as_good_as_their_data(tmp_path):
    """The union of coverage.py's own reports of each shard counts what its report on all data does."""
    compared = 0
    for seed in itertools.count(5000):
        if compared == 12:
            break
        folder = tmp_path / str(seed)
        folder.mkdir()
        project = Project(folder, seed)
        for name in ("setup.cfg", "tox.ini", ".coveragerc", "pyproject.toml"):
            (folder / name).unlink(missing_ok=True)
        (folder / ".coveragerc").write_text("[paths]\nall =\n  .\n  /app\n  */checkout\n")
        with inside(folder):
            try:
                project.theirs(project.shards, folder / "theirs")
                parts = [folder / f"part{number}" for number in range(len(project.shards))]
                for path, part in zip(project.shards, parts):
                    project.theirs([path], part)
            except (coverage.exceptions.CoverageException, AssertionError):
                continue
        compared += 1
        expected = read_json(folder / "theirs/coverage.json")["totals"]
        for names in (["coverage.json"], ["coverage.xml"], ["lcov.info"], ["coverage.json", "coverage.xml", "lcov.info", ".coverage"]):
            # Each shard brings the next kind.
            files = [part / names[number % len(names)] for number, part in enumerate(parts)]
            project.ours(files)
            totals = read_json(folder / "ours/coverage.json")["totals"]
            for report in (expected, totals):
                # Only JSON tells excluded lines; a line that is no statement is in no XML.
                for name in ("excluded_lines", "num_partial_branches"):
                    report.pop(name, None)
            assert totals == expected, (folder, names)


def test_the_order_of_files_does_not_matter(tmp_path):
    project = Project(tmp_path, 77)
    written = set()
    for files in itertools.permutations(project.shards + [project.shards[0]]):
        project.ours(files)
        written.add((tmp_path / "ours/lcov.info").read_text() + read_xml(tmp_path / "ours/coverage.xml"))
        written.add((tmp_path / "ours/lcov.info").read_text() + read_xml(tmp_path / "ours/coverage.xml"))
        if len(files) > 4:
            break
    assert len(written) == 1


def test_markdown_and_total_are_those_of_coverage_py(tmp_path):
    project = Project(tmp_path, 3)
    with inside(tmp_path):
        cov = coverage.Coverage(data_file=str(tmp_path / "all"), messages=False)
        cov.combine([str(path) for path in project.shards], keep=True)
        for layout in ("markdown", "total", "text"):
            text = io.StringIO()
            cov.report(file=text, output_format=layout, show_missing=True)
            ours = run(tmp_path, "coverage", "report", "--show-missing", "--format", layout, "--coverage", *project.shards)
            assert ours.stdout == text.getvalue()


def test_an_unreadable_file_is_named_and_makes_the_result_partial(tmp_path):
    project = Project(tmp_path, 11)
    whole = project.shards[0].read_bytes()
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) // 2 // 4096 * 4096],
        "text": b"not a database at all",
        "journal": whole[:18] + b"\x02\x02" + whole[20:],
        "old": b'!coverage.py: This is a private format, don\'t read it directly!{"lines":{}}',
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        result = run(tmp_path, "merge", "--coverage", project.shards[0], name, "--output", "ours", status=3)
        assert f"warning: {name}: " in result.stderr and "not whole" in result.stderr, result.stderr
        assert (tmp_path / name).exists()


def test_a_poisoned_database_costs_nothing(tmp_path):
    path = tmp_path / ".coverage.bad"
    coverage.CoverageData(str(path)).add_lines({"/x/a.py": {1}})
    data = coverage.CoverageData(str(path))
    data.add_lines({"/x/a.py": {1}})
    data.write()
    connection = sqlite3.connect(path)
    connection.executescript("""
        drop table file;
        create view file as with recursive n(id) as (select 1 union all select id + 1 from n limit 100000000)
            select id, 'a' || id as path from n;
    """)
    connection.close()
    result = subprocess.run([BINARY, "merge", "--coverage", path, "--output", "ours"], cwd=tmp_path, capture_output=True, text=True, timeout=5)
    assert result.returncode == 3
    assert "there is no plain table `file`" in result.stderr


def test_lines_and_branches_are_merged_by_lines_and_said(tmp_path):
    (tmp_path / "a.py").write_text("if x:\n    y\nz\n")
    for name, add in (("lines", lambda data: data.add_lines({"a.py": {1, 3}})), ("arcs", lambda data: data.add_arcs({"a.py": {(-1, 1), (1, 2)}}))):
        data = coverage.CoverageData(str(tmp_path / name))
        add(data)
        data.write()
    result = run(tmp_path, "merge", "--coverage", "lines", "arcs", "--output", "ours")
    assert "merged by lines" in result.stderr
    report = read_json(tmp_path / "ours/coverage.json")
    assert report["files"]["a.py"]["executed_lines"] == [1, 2, 3]
    assert not report["meta"]["branch_coverage"]


def git(folder, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_the_coverage_of_a_change(tmp_path):
    (tmp_path / "a.py").write_text("def f(x):\n    if x:\n        return 1\n    return 2\n")
    git(tmp_path, "init")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "checkout", "-b", "change")
    (tmp_path / "a.py").write_text("import os\n\n\ndef f(x):\n    if x > 1:\n        return 1\n    if x > 2:\n        return 3\n    return 2\n")
    git(tmp_path, "commit", "-am", "two")
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    data.add_arcs({str(tmp_path / "a.py"): {(-1, 1), (1, 4), (4, -1), (-4, 5), (5, 6), (6, -4)}})
    data.write()
    result = run(tmp_path, "coverage", "diff", "--base", "main", "--fail-under", "60", status=1)
    lines = result.stdout.splitlines()
    assert "a.py (38%): Missing lines 7-8" in lines
    assert "Lines: 4, missing: 2" in lines and "Branches: 4, missing: 3" in lines
    assert "less than 60" in result.stderr
    run(tmp_path, "coverage", "diff", "--base", "main", "--fail-under", "30")
    assert "--base" in run(tmp_path, "coverage", "diff", status=2).stderr
    assert "fetch-depth: 0" in run(tmp_path, "coverage", "diff", "--base", "nowhere", status=2).stderr
    # A merge, as a workflow for a pull request checks out, is compared with its first parent.
    git(tmp_path, "checkout", "main")
    git(tmp_path, "merge", "--no-ff", "-m", "merge", "change")
    assert "a.py (38%)" in run(tmp_path, "coverage", "diff").stdout
