"""What can run in a source, as we say from its text and coverage.py from its bytecode.

Each source gets data in which a random half of its arcs ran, made of what coverage.py itself thinks possible; both
then report on that data, and every number of every file, function and class has to be the same.
"""

import ast
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")
from coverage.exceptions import NotPython
from coverage.parser import AstArcAnalyzer, PythonParser

import programs
from packages import LIBRARY, library, sources_of

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
# Of the standard library a part: coverage.py takes a minute for all of it. PARALLEL_PYTEST_ALL_SOURCES=1 takes it all.
ALL = bool(os.environ.get("PARALLEL_PYTEST_ALL_SOURCES"))
SHARE = 1 if ALL else 8
PROGRAMS = 20_000 if ALL else 400
PACKAGES = ["click==8.3.0", "jinja2==3.1.6"]
if ALL:
    PACKAGES += ["werkzeug==3.1.3", "django==5.2.8", "sympy==1.14.0"]

# Known to differ; a test fails if one of them does not any more.
KNOWN = set(re.findall(r"^- `(.*?)`", (HERE.parent.parent / "docs/agreement.md").read_text(), re.M))


def measure(arguments):
    """A data file in which half of each source's arcs ran, and coverage.py's report on it."""
    folder, name, sources, seed = arguments
    os.chdir(folder)
    chance = random.Random(seed)
    data = coverage.CoverageData(name)
    arcs = {}
    for source in sources:
        try:
            parser = PythonParser(filename=source)
            parser.parse_source()
            parser.arcs()
        except (NotPython, SyntaxError, AssertionError):  # not Python, or coverage.py gives up
            continue
        analyzer = AstArcAnalyzer(source, ast.parse(parser.text), parser.raw_statements, parser.multiline_map)
        analyzer.analyze()
        ran = {arc for arc in sorted(analyzer.arcs) if chance.random() < 0.5}
        ran |= {(line, line) for line in sorted(parser.raw_statements) if chance.random() < 0.1}
        arcs[os.path.abspath(source)] = ran or {(1, -1)}
    data.add_arcs(arcs)
    data.write()
    cov = coverage.Coverage(data_file=name, config_file=False, messages=False)
    cov.load()
    cov.json_report(outfile=name + ".json", ignore_errors=True)
    cov.lcov_report(outfile=name + ".lcov", ignore_errors=True)
    return name


def known(folder, sources):
    """Those of a folder's sources that differ."""
    return sorted(source for source in sources if f"{folder.name}/{source}" in KNOWN)


def compare(folder, sources, target):
    jobs = [(str(folder), str(target / f"data{part}"), sources[part::2], part) for part in range(2)]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(measure, jobs))
    wrong, count = [], {"files": 0, "statements": 0, "branches": 0}
    for part in parts:
        subprocess.run([BINARY, "merge", "--coverage", part, "--output", part + "-ours"], cwd=folder, check=True, capture_output=True)
        theirs = json.loads(Path(part + ".json").read_text())["files"]
        ours = json.loads(Path(part + "-ours/coverage.json").read_text())["files"]
        lcov = [re.split(r"(?m)^SF:", Path(path).read_text())[1:] for path in (part + ".lcov", part + "-ours/lcov.info")]
        lcov = [dict(text.split("\n", 1) for text in texts) for texts in lcov]
        for path, file in theirs.items():
            count["files"] += 1
            count["statements"] += file["summary"]["num_statements"]
            count["branches"] += file["summary"]["num_branches"]
            if ours.get(path) != file or lcov[0][path] != lcov[1].get(path):
                wrong.append(path)
    print(f"\nanalysis of {count['files']} sources, {count['statements']} statements, {count['branches']} branches: {len(wrong)} sources differ", file=sys.__stderr__)
    return wrong, count


def test_the_standard_library(tmp_path):
    sources = [path.relative_to(LIBRARY) for path in library()]
    sources = [str(path) for path in sources if ALL or not {"test", "tests"} & set(path.parts)][::SHARE]
    wrong, count = compare(LIBRARY, sources, tmp_path)
    assert count["statements"] > 20_000
    assert sorted(wrong) == known(LIBRARY, sources)


@pytest.mark.parametrize("requirement", PACKAGES)
def test_packages(tmp_path, requirement):
    folder = sources_of(requirement)
    sources = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.py"))
    wrong, count = compare(folder, sources, tmp_path)
    assert count["statements"] > 1000
    assert sorted(wrong) == known(folder, sources)


def test_random_programs(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    names = []
    for seed, text in programs.programs(PROGRAMS, seed=1):
        names.append(f"p{seed}.py")
        (folder / names[-1]).write_text(text)
    wrong, count = compare(folder, names, tmp_path)
    assert count["branches"] > 1000
    assert not wrong, "first: " + wrong[0] + "\n" + (folder / wrong[0]).read_text()
