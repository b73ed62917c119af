"""A run of shards in two environments, by way of the artifacts of its jobs, published to the stub."""

import json
import os
import xml.etree.ElementTree as xml

import pytest
from test_publish import BINARY, REPO, SHAS, call, suite  # noqa: F401
from test_stub import runtime_token

TESTS = "import os\n\ndef test_everywhere():\n    pass\n\ndef test_somewhere():\n    assert os.environ['VERSION'] not in os.environ['BROKEN']\n"
pytestmark = pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")


def matrix_run(suite, stub, publish=(), broken="3.12", attempt="1", skip=(), plan=True):
    """The jobs of one run of a workflow, each with what it uploads; publish has nothing else."""
    (suite.parent / "event.json").write_text(json.dumps({"repository": {"default_branch": "main"}}))
    github = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPO, "GITHUB_SHA": SHAS["first"], "GITHUB_RUN_ID": "1", "GITHUB_REF_NAME": "main",
        "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(suite.parent / "event.json"), "GITHUB_API_URL": stub.url, "GITHUB_RUN_ATTEMPT": attempt,
        "GITHUB_OUTPUT": str(suite.parent / "outputs"), "ACTIONS_RESULTS_URL": stub.url, "ACTIONS_RUNTIME_TOKEN": runtime_token(1), "INPUT_TOKEN": "token-of-the-run",
    }
    if plan:
        planned = call(suite, "plan", "--shards", "2", "--environments", "3.11, py 3.12", **github)
        assert planned.exit == 0, planned.said
        outputs = (suite.parent / "outputs").read_text()
        assert '{"environment":["3.11","py 3.12"],"shard":["1/2","2/2"]}' in outputs
    for environment in ("3.11", "py 3.12"):
        for shard in ("1/2", "2/2"):
            if (environment, shard) not in skip:
                variables = {**github, "VERSION": environment[-4:], "BROKEN": broken}
                done = call(suite, "run", "--shard", shard, "--environment", environment, "--", "pytest", "-p", "no:cacheprovider", **variables)
                assert done.exit in (0, 1), done.said
    done = call(suite, "publish", "--needs", json.dumps({"test": {"result": "success"}}), *publish, **github)
    done.result = json.loads((suite / "report/result.json").read_text())
    return done


@pytest.fixture
def two_files(suite):  # noqa: F811
    (suite / "test_a.py").write_text(TESTS)
    return suite


def test_the_same_shard_of_two_environments_stays_apart_and_a_failure_says_where(two_files, stub):
    done = matrix_run(two_files, stub)
    assert done.exit == 1, done.said
    failed = next(test for test in done.result["tests"] if test["outcome"] == "failed")
    assert failed["environments"] == {"3.11": "passed", "py 3.12": "failed"}
    assert [(it["name"], it["totals"]["all"], it["totals"]["failed"]) for it in done.result["environments"]] == [("3.11", 3, 0), ("py 3.12", 3, 1)]
    assert done.result["totals"]["all"] == 3
    (check,) = stub.send("GET", "/_stub/state").body["check_runs"]
    assert "| `test_a.py::test_somewhere` | ✅ passed | ❌ failed |" in check["output"]["summary"]
    suites = xml.parse(two_files / "report/junit.xml").getroot().findall("testsuite")
    assert [(it.get("hostname"), it.get("tests"), it.get("failures")) for it in suites] == [("3.11", "3", "0"), ("py 3.12", "3", "1")]

    # The jobs of one environment run again, and pass.
    skip = [("3.11", "1/2"), ("3.11", "2/2")]
    again = matrix_run(two_files, stub, broken="", attempt="2", skip=skip, plan=False)
    assert again.exit == 0, again.said
    attempts = {(it["environment"], it["shard"]): it["attempt"] for it in again.result["shards"]}
    assert attempts == {("3.11", "1/2"): 1, ("3.11", "2/2"): 1, ("py 3.12", "1/2"): 2, ("py 3.12", "2/2"): 2}


def test_an_environment_that_does_not_report_is_lost(two_files):
    plain = {"VERSION": "3.11", "BROKEN": ""}
    assert call(two_files, "plan", "--shards", "2", "--environments", "3.11,3.12").exit == 0
    for shard in ("1/2", "2/2"):
        wrong = call(two_files, "run", "--shard", shard, "--", "pytest", **plain)
        assert wrong.exit == 2 and "in which environment? the plan has 3.11, 3.12" in wrong.said
        run = ["run", "--shard", shard, "--environment"]
        assert "does not have the environment `3.10`" in call(two_files, *run, "3.10", **plain).said
        assert call(two_files, *run, "3.11", "--", "pytest", "-p", "no:cacheprovider", **plain).exit == 0
    done = call(two_files, "publish")
    assert done.exit == 3 and "nothing ran in `3.12`" in done.said, done.said
    # Without a plan that says so, the environments are those that are there.
    assert call(two_files, "plan", "--shards", "1").exit == 0
    for environment in ("3.11", "3.12"):
        done = call(two_files, "run", "--shard", "1/1", "--environment", environment, "--", "pytest", "-p", "no:cacheprovider", **plain)
        assert done.exit == 0, done.said
        os.rename(two_files / ".parallel-pytest/shard-1-of-1", two_files / f".parallel-pytest/of-{environment}")
    done = call(two_files, "publish")
    assert done.exit == 0 and "in 2 environments" in done.said, done.said
