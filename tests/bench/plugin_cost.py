#!/usr/bin/env python3
"""What the plugin costs per test: CPU seconds of the same suite with and without it.

    tests/bench/plugin_cost.py [--python PYTHON] [--tests 5000] [--rounds 5] [--limit MICROSECONDS]

Prints microseconds per test; the smallest of the rounds counts, since a busy machine only adds.
With --limit it fails if that is more.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

PLUGIN = pathlib.Path(__file__).resolve().parents[2] / "src" / "pytest" / "plugin.py"
PER_FILE = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has pytest")
    parser.add_argument("--tests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        count = write_suite(root, arguments.tests)
        bare, plugged = environments(root)
        seconds = {"without": [], "with": []}
        run(arguments.python, root, bare)
        for number in range(arguments.rounds):
            seconds["without"].append(run(arguments.python, root, bare))
            seconds["with"].append(run(arguments.python, root, plugged))
    best = {name: min(rounds) for name, rounds in seconds.items()}
    cost = (best["with"] - best["without"]) / count * 1e6
    for name, rounds in seconds.items():
        print("%-8s %s" % (name, " ".join("%.2f" % value for value in rounds)))
    print("%d tests: %.1f µs per test" % (count, cost))
    return int(arguments.limit is not None and cost > arguments.limit)


def write_suite(root, tests):
    for number in range(tests // PER_FILE):
        body = "".join("def test_%d():\n    pass\n\n\n" % test for test in range(PER_FILE))
        (root / ("test_%03d.py" % number)).write_text(body)
    (root / "pytest.ini").write_text("[pytest]\n")
    files = {"test_%03d.py" % number: "1/1" for number in range(tests // PER_FILE)}
    plan = {"version": 1, "digest": "0", "shards": [{"shard": "1/1"}], "files": files, "tests": {}}
    (root / "plan.json").write_text(json.dumps(plan))
    return len(files) * PER_FILE


def environments(root):
    bare = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    (root / "plugins").mkdir()
    (root / "plugins" / "parallel_pytest_plugin.py").write_text(PLUGIN.read_text())
    plugged = dict(
        bare,
        PYTHONPATH=str(root / "plugins"),
        PYTEST_PLUGINS="parallel_pytest_plugin",
        PARALLEL_PYTEST_PLAN=str(root / "plan.json"),
        PARALLEL_PYTEST_SHARD="1/1",
        PARALLEL_PYTEST_SHARD_DIR=str(root / "shard"),
        PARALLEL_PYTEST_ROOT=str(root),
    )
    return bare, plugged


def run(python, root, environment):
    """CPU seconds of one pytest."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [python, "-m", "pytest", "-q", "-p", "no:randomly", ]
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
