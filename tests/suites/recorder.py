"""A pytest plugin that writes which test ended how, without a word of ours: the oracle.

One file for each process in the folder RECORDER_DIR, one JSON list [node id, outcome] a line for each
run of a test.
"""

import json
import os

# Worst last.
OUTCOMES = ["passed", "skipped", "xfailed", "xpassed", "failed", "error"]


def outcome(report):
    if hasattr(report, "wasxfail") and not report.failed:
        return "xpassed" if report.passed else "xfailed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


class Recorder:
    def __init__(self, folder):
        self.path = os.path.join(folder, f"{os.getpid()}.jsonl")
        self.worst = {}

    def pytest_runtest_logreport(self, report):
        # The test itself is reported too, after its subtests.
        if not hasattr(report, "context") or report.failed:
            self.worst.setdefault(report.nodeid, []).append(outcome(report))

    def pytest_runtest_logfinish(self, nodeid):
        outcomes = self.worst.pop(nodeid, ["lost"])
        with open(self.path, "a", encoding="utf-8") as file:
            print(json.dumps([nodeid, max(outcomes, key=OUTCOMES.index)]), file=file)


def pytest_configure(config):
    # A pytest that a test starts is not recorded.
    folder = os.environ.pop("RECORDER_DIR", None)
    if folder:
        config.pluginmanager.register(Recorder(folder))
