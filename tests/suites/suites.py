"""The suites: which, from where, with which arguments, and what is left out for which reason."""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CACHE = (
    Path(os.environ.get("PARALLEL_PYTEST_CACHE") or Path.home() / ".cache/parallel-pytest-tests") / "suites"
)


@dataclasses.dataclass(frozen=True)
class Suite:
    name: str
    # A release on PyPI whose source distribution holds its tests; a folder of ours if empty.
    version: str = ""
    folder: str = ""
    # Goes on PYTHONPATH, so that the release itself is tested and not what is installed.
    source: str = "src"
    arguments: tuple[str, ...] = ()
    # Arguments that leave tests out, with the reason.
    left_out: tuple[tuple[str, str], ...] = ()
    coverage: tuple[str, ...] = ("--cov", "--cov-branch", "--cov-report=")
    # Another configuration for coverage.py than the suite's own.
    coverage_config: str = ""
    requirements: str = "tests/suites/requirements.txt"
    shards: tuple[int, ...] = (2, 3, 7)

    @property
    def command(self) -> list[str]:
        config = [f"--cov-config={self.coverage_config_file}"] if self.coverage_config else []
        return [*self.command_without_coverage("recorder"), *self.coverage, *config]

    def command_without_coverage(self, plugin: str) -> list[str]:
        left_out = [argument for argument, _reason in self.left_out]
        return ["pytest", "-q", "-p", plugin, *self.arguments, *left_out]

    @property
    def coverage_config_file(self) -> Path | None:
        return CACHE / f"{self.name}.coveragerc" if self.coverage_config else None

    @property
    def cwd(self) -> Path:
        return CACHE / (f"{self.name.removesuffix('-lines')}-{self.version}" if self.version else self.name)


HYPOTHESIS = ("--hypothesis-seed=0",)

SUITES = [
    Suite(
        "example",
        folder="tests/example",
        source="",
        # With its tests that fail on purpose.
        arguments=("tests", "bookshop", "red"),
        coverage=("--cov", "--cov-report="),
        requirements="tests/example/requirements.txt",
    ),
    Suite("jinja2", "3.1.6"),
    Suite(
        "attrs",
        "26.1.0",
        arguments=HYPOTHESIS,
        left_out=(
            (
                "--deselect=tests/test_make.py::TestMetadata",
                "hypothesis needs a third of the whole suite's time for it",
            ),
            ("--deselect=tests/test_funcs.py", "the same"),
        ),
    ),
    Suite(
        "click",
        "8.5.1",
        left_out=(
            (
                "--ignore=tests/test_utils/test_echo_via_pager.py",
                "fails by itself: click._termui_impl must have been imported by a test of another file",
            ),
        ),
    ),
    Suite(
        "packaging",
        "26.3",
        arguments=HYPOTHESIS,
        # Its own configuration asks for 100 %, which only all of its tests reach.
        coverage=("--cov", "--cov-branch", "--cov-report=", "--cov-fail-under=0"),
        left_out=(
            ("--ignore=tests/test_version.py", "51,523 parameters of a few functions: five minutes"),
            ("--ignore=tests/test_specifiers.py", "slow under coverage"),
            ("--ignore=tests/test_requirements.py", "5,332 parameters of a few functions"),
        ),
    ),
    Suite(
        "werkzeug",
        "3.1.9",
        left_out=(
            (
                "-m=not dev_server",
                "starts servers with a reloader and waits for them; hangs on a loaded machine",
            ),
            (
                "--deselect=tests/test_routing.py::test_long_build",
                "builds 5,000 routes: ten seconds without coverage",
            ),
            ("--deselect=tests/test_security.py", "key derivation that is slow on purpose"),
        ),
    ),
    Suite("itsdangerous", "2.2.0"),
    Suite(
        "itsdangerous-lines",
        "2.2.0",
        coverage=("--cov", "--cov-report="),
        coverage_config="[run]\nsource =\n    itsdangerous\n    tests\n",
        shards=(3,),
    ),
    Suite("markupsafe", "3.0.4"),
]


def suite(name: str) -> Suite:
    return next(suite for suite in SUITES if suite.name == name)


@contextmanager
def locked(path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


@functools.cache
def venv(requirements: str) -> Path:
    """The folder of a virtual environment with just these packages."""
    text = (REPOSITORY / requirements).read_text() if requirements.endswith(".txt") else requirements
    folder = CACHE / "venvs" / digest(sys.version, text)
    with locked(folder):
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            wanted = folder / "requirements.txt"
            wanted.write_text(text)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "-r", wanted], check=True)
            (folder / ".complete").touch()
    return folder


@functools.cache
def prepare(suite: Suite) -> Path:
    """The folder of the suite, unpacked."""
    folder = suite.cwd
    with locked(folder):
        if suite.folder:
            shutil.rmtree(folder, ignore_errors=True)
            ignored = shutil.ignore_patterns(
                "__pycache__", ".coverage*", ".pytest_cache", ".parallel-pytest", "report"
            )
            shutil.copytree(REPOSITORY / suite.folder, folder, ignore=ignored)
        elif not folder.exists():
            unpack(download(suite), folder)
        if suite.coverage_config_file:
            suite.coverage_config_file.write_text(suite.coverage_config)
    return folder


def download(suite: Suite) -> Path:
    """The source distribution, which pip finds wherever it is configured to look."""
    release = suite.cwd.name
    archives = CACHE / "sdists" / release
    if not list(archives.glob("*.tar.gz")):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        wanted = f"{release.rpartition('-')[0]}=={suite.version}"
        subprocess.run([*pip, "--no-binary", ":all:", "--no-deps", "--dest", archives, wanted], check=True)
    return next(archives.glob("*.tar.gz"))


def unpack(archive: Path, folder: Path) -> None:
    unpacked = folder.with_name(folder.name + ".part")
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    next(unpacked.iterdir()).rename(folder)
    unpacked.rmdir()


def environment(suite: Suite) -> dict[str, str]:
    """As if the suite's virtual environment were active, and nothing else of ours were set."""
    inherited = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TERM")
    env = {name: os.environ[name] for name in inherited if name in os.environ}
    env["PATH"] = f"{venv(suite.requirements) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    paths = [str(prepare(suite) / suite.source)] if suite.source else []
    env["PYTHONPATH"] = os.pathsep.join([*paths, str(HERE)])
    return env
