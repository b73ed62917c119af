"""Which files pytest opens: run by the Python of each pytest version.

Reads a JSON list of {"folder", "arguments", "addopts"} from standard input and writes, for each, the files of which
pytest started to collect the content and the number of tests it found. Each runs in a process of its own.
"""

import json
import os
import sys
import traceback

import pytest


class Recorder:
    def __init__(self):
        self.files = set()
        self.tests = 0

    def pytest_collectstart(self, collector):
        # In pytest 7 a package is a module that stands for its folder.
        if isinstance(collector, pytest.File) and not isinstance(collector, pytest.Package):
            self.files.add(str(collector.path))

    def pytest_collection_finish(self, session):
        self.tests = len(session.items)


def collect(folder, arguments, addopts):
    os.chdir(folder)
    os.environ["PYTEST_ADDOPTS"] = addopts
    recorder = Recorder()
    ours = ["--collect-only", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    status = pytest.main([*ours, *arguments], plugins=[recorder])
    root = os.getcwd() + os.sep
    names = [path[len(root) :] if path.startswith(root) else path for path in recorder.files]
    return {"files": sorted(names), "tests": recorder.tests, "status": int(status)}


def in_a_fork(case):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            sys.stdout.flush()
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            with open(writer, "w") as out:
                json.dump(collect(**case), out)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as result:
        text = result.read()
    os.waitpid(child, 0)
    return json.loads(text)


if __name__ == "__main__":
    json.dump([in_a_fork(case) for case in json.load(sys.stdin)], sys.stdout)
