"""Real sources: of packages on PyPI, and of this Python's library."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("PARALLEL_PYTEST_CACHE", Path.home() / ".cache/parallel-pytest-tests"))
LIBRARY = Path(sysconfig.get_paths()["stdlib"])


def library():
    """The sources of the standard library, its tests included."""
    return sorted(path for path in LIBRARY.rglob("*.py") if not {"site-packages", "lib2to3"} & set(path.parts))


def sources_of(requirement):
    """The folder of a source distribution from PyPI."""
    folder = CACHE / "sources" / requirement
    if not folder.exists():
        with tempfile.TemporaryDirectory() as download:
            options = ["--no-deps", "--no-binary=:all:", "--quiet", "--disable-pip-version-check"]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, "-d", download, requirement], check=True)
            [archive] = Path(download).iterdir()
            with tarfile.open(archive) as tar:
                tar.extractall(Path(download) / "unpacked", filter="data")
            [unpacked] = (Path(download) / "unpacked").iterdir()
            for settings in ("pyproject.toml", "setup.cfg", "tox.ini", ".coveragerc"):
                (unpacked / settings).unlink(missing_ok=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(unpacked, folder)
    return folder
