"""The coverage of shards, analysed and joined without coverage.py: what `coverage combine` and its reports say.

Real runs of shards, and of `publish` with and without the sources at hand.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))

PKG = """
    import sys

    def sign(number):
        if number > 0:
            return 1
        elif number < 0:
            return -1
        return 0

    class Shape:
        sides: int = 4

        @property
        def name(self):
            with open(__file__) as file:
                for line in file:
                    if line.startswith("class"):
                        return line
            return ""

        def debug(self):  # pragma: no cover
            return self

    def never():
        raise NotImplementedError
"""

# A plugin for files that are not Python to it; coverage.py has to report on these itself.
TEMPLATES = """
    import coverage

    class Templates(coverage.CoveragePlugin):
        def file_tracer(self, filename):
            return Tracer(filename) if filename.endswith("_template.py") else None

        def file_reporter(self, filename):
            return Reporter(filename)

    class Tracer(coverage.FileTracer):
        def __init__(self, filename):
            self.filename = filename

        def source_filename(self):
            return self.filename

    class Reporter(coverage.FileReporter):
        def lines(self):
            return {1, 2, 3, 4, 50}

    def coverage_init(registry, options):
        registry.add_file_tracer(Templates())
"""

TEST = """
    import page_template
    import pkg.{name} as module

    def test_it():
        # A file of which one shard says that a plugin measures it, and another one not, is none to coverage.py.
        assert page_template.f({number})
        assert module.sign({number}) in (-1, 0, 1)
        assert module.Shape().name
"""

CASES = {
    "lines of several sources": ("", ["--cov=src/pkg", "--cov=lib"]),
    "branches": ("[run]\nbranch = true\n", ["--cov"]),
    "branches by tests, with excludes": (
        "[report]\nexclude_also =\n  raise NotImpl\n  ^@prop\nomit = */odd.py\npartial_also = if number > 0\n", ["--cov=src", "--cov-branch", "--cov-context=test"],
    ),
    "relative paths": ("[run]\nrelative_files = true\nbranch = true\n", ["--cov=src"]),
    "a plugin of coverage.py": ("[run]\nbranch = true\nplugins = templates\n", ["--cov=src", "--cov=lib"]),
}


@pytest.fixture(params=CASES.values(), ids=[name.replace(" ", "-") for name in CASES])
def project(tmp_path, request):
    settings, arguments = request.param
    root = tmp_path / "project"
    for name in ("one", "two", "odd"):
        write(root / f"src/pkg/{name}.py", PKG)
    write(root / "src/pkg/__init__.py", "")
    write(root / "src/pkg/unseen.py", "def f():\n    return 1\n")
    write(root / "lib/page_template.py", "def f(x):\n    if x:\n        return 1\n    return 2\n")
    write(root / "templates.py", TEMPLATES)
    write(root / "setup.cfg", "")
    if settings:
        write(root / ".coveragerc", settings)
    write(root / "pytest.ini", "[pytest]\npythonpath = src lib .\n")
    for number, name in enumerate(["one", "two", "odd", "one", "two"]):
        write(root / f"tests/test_{number}.py", TEST.format(name=name, number=number - 2))
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(root)}
    # Not `local`, whose shards take tests from a queue: one of them may get none.
    for command in (["plan", "--shards", "3"], *(["run", "--shard", f"{shard}/3", "--", "pytest", *arguments] for shard in (1, 2, 3))):
        done = subprocess.run([BINARY, *command], cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return root


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"))


def theirs(root, monkeypatch):
    """Where coverage.py's reports on the data of all shards are."""
    target = root / "theirs"
    target.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(root)
    cov = coverage.Coverage(data_file=str(target / ".coverage"), messages=False)
    data = sorted(map(str, root.glob(".parallel-pytest/shard-*/coverage/.coverage")))
    assert len(data) == 3
    cov.combine(data, strict=True, keep=True)
    cov.save()
    for report, name in ((cov.json_report, "coverage.json"), (cov.xml_report, "coverage.xml"), (cov.lcov_report, "lcov.info")):
        report(outfile=str(target / name))
    return target


def read_json(path, with_regions):
    report = json.loads(path.read_text())
    del report["meta"]["timestamp"], report["meta"]["version"]
    for file in report["files"].values():
        if not with_regions:
            file.pop("functions", None)
            file.pop("classes", None)
    return report


def read_xml(path):
    text = path.read_text()
    for pattern in (r' (version|timestamp)="[^"]*"', r"<!--.*-->", r"(?s)<sources>.*</sources>"):
        text = re.sub(pattern, "", text)
    return text


def publish(folder, reports):
    command = [BINARY, "publish", "--reports", reports, "--output", "ours"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "ours"


def test_the_coverage_of_shards_is_that_of_coverage_combine(project, tmp_path, monkeypatch):
    expected, shards = theirs(project, monkeypatch), project / ".parallel-pytest"
    ours = publish(project, shards)
    assert len(list(shards.glob("shard-*/measured.json"))) == 3
    settings = project / ".coveragerc"
    native = not settings.exists() or "plugins" not in settings.read_text()
    assert read_json(ours / "coverage.json", native) == read_json(expected / "coverage.json", native)
    assert read_xml(ours / "coverage.xml") == read_xml(expected / "coverage.xml")
    if native:
        assert (ours / "lcov.info").read_text() == (expected / "lcov.info").read_text()

    # coverage.py reads the joined data as it reads its own.
    again = coverage.Coverage(data_file=str(ours / ".coverage"), messages=False)
    again.load()
    again.json_report(outfile=str(project / "again.json"))
    assert read_json(project / "again.json", True) == read_json(expected / "coverage.json", True)

    # Without the sources the shards' own reports are taken; the same where a source is another one.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = publish(elsewhere, shards)
    assert read_json(found / "coverage.json", False) == read_json(expected / "coverage.json", False)
    shutil.copytree(project, tmp_path / "other", ignore=shutil.ignore_patterns(".parallel-pytest", "ours"))
    write(tmp_path / "other/src/pkg/one.py", "def other():\n    return 1\n")
    found = publish(tmp_path / "other", shards)
    assert read_json(found / "coverage.json", False) == read_json(expected / "coverage.json", False)
    assert (found / ".coverage").exists()
