"""Runs suites serially with nothing of ours, and sharded with the binary, and reads what came out."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import suites
from suites import CACHE, HERE, REPOSITORY, Suite

BINARY = Path(
    os.environ.get("PARALLEL_PYTEST_BINARY") or REPOSITORY / "target/release/parallel-pytest"
).absolute()


@dataclasses.dataclass
class Run:
    # How often each test ended how, as the recorder saw it.
    outcomes: collections.Counter[tuple[str, str]]
    # Where coverage.xml and coverage.json are.
    folder: Path
    seconds: float
    exit: int
    output: str = ""


@functools.cache
def serial(suite: Suite) -> Run:
    """The suite in one process, as its own people run it; kept until anything about it changes."""
    requirements = (REPOSITORY / suite.requirements).read_text()
    source = (
        suites.digest(*(p.read_bytes() for p in sorted((REPOSITORY / suite.folder).rglob("*.py"))))
        if suite.folder
        else ""
    )
    helpers = [(HERE / name).read_text() for name in ("recorder.py", "coverage_report.py")]
    folder = CACHE / "serial" / f"{suite.name}-{suites.digest(suite, requirements, source, *helpers)}"
    suites.prepare(suite)
    with suites.locked(folder):
        if not (folder / "run.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "recorded").mkdir(parents=True)
            env = suites.environment(suite)
            env |= {
                "RECORDER_DIR": str(folder / "recorded"),
                "COVERAGE_FILE": str(folder / ".coverage"),
                "PYTHONHASHSEED": "0",
            }
            began = time.monotonic()
            done = execute(suite.command, suite, env, timeout=900)
            seconds = time.monotonic() - began
            report_of_coverage_py(suite, folder, [folder / ".coverage"])
            (folder / "output.txt").write_text(done.stdout)
            (folder / "run.json").write_text(json.dumps({"seconds": seconds, "exit": done.returncode}))
    facts = json.loads((folder / "run.json").read_text())
    return Run(
        recorded(folder / "recorded"),
        folder,
        facts["seconds"],
        facts["exit"],
        (folder / "output.txt").read_text(),
    )


@dataclasses.dataclass
class Local(Run):
    result: dict = dataclasses.field(default_factory=dict)
    work: Path = Path()

    def shard_folders(self) -> list[Path]:
        return sorted(self.work.glob("shard-*-of-*"))


@functools.cache
def local(suite: Suite, shards: int) -> Local:
    """The suite by `parallel-pytest local`."""
    suites.prepare(suite)
    folder = CACHE / "local" / f"{suite.name}-{shards}"
    shutil.rmtree(folder, ignore_errors=True)
    report, work, records = folder / "report", folder / "work", folder / "recorded"
    records.mkdir(parents=True)
    env = suites.environment(suite) | {"RECORDER_DIR": str(records)}
    # Both ways to share the tests out are held against the serial run.
    dealing = ["--no-dynamic" if shards == 3 else "--dynamic"]
    folders = ["--output", str(report), "--work-dir", str(work)]
    arguments = ["local", "--shards", str(shards), *dealing, *folders, "--"]
    began = time.monotonic()
    done = execute([str(BINARY), *arguments, *suite.command], suite, env, timeout=600)
    seconds = time.monotonic() - began
    result = report / "result.json"
    assert result.exists(), f"no {result}\n{done.stdout[-4000:]}"
    return Local(
        recorded(records), report, seconds, done.returncode, done.stdout, json.loads(result.read_text()), work
    )


def execute(
    command: list[str], suite: Suite, env: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=suite.cwd,
        env=env,
        timeout=timeout,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def recorded(folder: Path) -> collections.Counter[tuple[str, str]]:
    lines = (
        line for file in folder.glob("*.jsonl") for line in file.read_text(encoding="utf-8").splitlines()
    )
    return collections.Counter(tuple(json.loads(line)) for line in lines)


def report_of_coverage_py(suite: Suite, output: Path, data_files: list[Path]) -> None:
    python = suites.venv(suite.requirements) / "bin/python"
    config = str(suite.coverage_config_file or "")
    command = [str(python), str(HERE / "coverage_report.py"), str(output), config, *map(str, data_files)]
    done = execute(command, suite, suites.environment(suite), timeout=120)
    assert done.returncode == 0, done.stdout


def combined(suite: Suite, run: Local) -> Path:
    """The folder of what coverage.py makes of the shards' data files."""
    folder = run.work.parent / "combined"
    folder.mkdir()
    copies = []
    for number, shard in enumerate(run.shard_folders()):
        for file in sorted((shard / "coverage").glob(".coverage*")):
            copies.append(folder / f"shard-{number}{file.name}")
            shutil.copy(file, copies[-1])
    assert copies, f"no data file of coverage.py in {run.work}"
    report_of_coverage_py(suite, folder, copies)
    return folder


@dataclasses.dataclass(frozen=True)
class Line:
    hit: bool
    # Empty for a line without branches; else what the XML says: taken, possible, missing targets.
    branches: tuple[int, int, str] | tuple[()]


def coverage_xml(file: Path, root: Path) -> tuple[dict[str, str], dict[str, dict[int, Line]]]:
    """The totals, and for every file below `root` its lines."""
    tree = ElementTree.parse(file).getroot()
    totals = {name: tree.attrib[name] for name in TOTALS_OF_XML}
    sources = [root / (source.text or "") for source in tree.iterfind("sources/source")]
    files: dict[str, dict[int, Line]] = {}
    for part in tree.iter("class"):
        path = next(
            (s / part.attrib["filename"] for s in sources if (s / part.attrib["filename"]).exists()), None
        )
        name = str(path.relative_to(root)) if path and path.is_relative_to(root) else part.attrib["filename"]
        assert name not in files, f"{name} is twice in {file}"
        files[name] = {int(line.attrib["number"]): line_of(line) for line in part.iterfind("lines/line")}
    return totals, files


TOTALS_OF_XML = (
    "lines-valid",
    "lines-covered",
    "line-rate",
    "branches-valid",
    "branches-covered",
    "branch-rate",
)


def line_of(line: ElementTree.Element) -> Line:
    branches = ()
    if line.get("branch") == "true":
        taken, possible = line.attrib["condition-coverage"].partition("(")[2].rstrip(")").split("/")
        branches = int(taken), int(possible), line.get("missing-branches", "")
    return Line(line.attrib["hits"] != "0", branches)


# Of each file in coverage.json; the rest (functions, classes, contexts) says the same in other words.
FIELDS_OF_JSON = (
    "executed_lines",
    "missing_lines",
    "excluded_lines",
    "executed_branches",
    "missing_branches",
    "summary",
)


def coverage_json(file: Path) -> tuple[dict, dict[str, dict]]:
    report = json.loads(file.read_text())
    files = {
        name: {field: ordered(part[field]) for field in FIELDS_OF_JSON if field in part}
        for name, part in report["files"].items()
    }
    return report["totals"], files


def ordered(value):
    return sorted(value) if isinstance(value, list) else value


def differences(ours: dict, theirs: dict, limit: int = 20) -> list[str]:
    """What two mappings disagree about, for a person to read."""
    found = [
        f"{key}: ours {ours.get(key)!r}, expected {theirs.get(key)!r}"
        for key in sorted({*ours, *theirs}, key=str)
        if ours.get(key) != theirs.get(key)
    ]
    return found[:limit] + ([f"… and {len(found) - limit} more"] if len(found) > limit else [])
