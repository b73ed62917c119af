"""The README's workflows, whole, in act: plan, a matrix of three shards or of two shards in two environments, prepare and pytest, publish."""

import json
import re
from types import SimpleNamespace

import pytest
from doubles import HEAD_SHA, Act, Stub

JOBS = ["plan", "test-1", "test-2", "test-3", "report"]
RED_JOBS = ["plan", "test-1", "test-2", "test-3", "test-4", "report"]


def run_workflow(suite, home, prism, workflow="workflow.yml"):
    stub = Stub(home / f"{suite}-stub", prism)
    try:
        act = Act(suite, home / suite, stub.url, workflow)
        return SimpleNamespace(act=act, state=stub.state(), violations=stub.violations())
    finally:
        stub.stop()


@pytest.fixture(scope="module")
def green(tmp_path_factory, prism):
    return run_workflow("green", tmp_path_factory.mktemp("act"), prism)


@pytest.fixture(scope="module")
def red(tmp_path_factory, prism):
    return run_workflow("red", tmp_path_factory.mktemp("act"), prism, "environments.yml")


def test_the_green_suite_is_green(green):
    assert green.act.exit == 0, green.act.log
    outputs = green.act.outputs("report")
    counts = {name: outputs[name] for name in ("verdict", "tests", "passed", "failed", "skipped", "lost")}
    assert counts == {"verdict": "green", "tests": "8", "passed": "7", "failed": "0", "skipped": "1", "lost": "0"}
    assert float(outputs["coverage"]) == 100


def test_the_red_suite_is_red_and_its_failures_are_counted(red):
    assert red.act.exit != 0, red.act.log
    outputs = red.act.outputs("report")
    assert (outputs["verdict"], outputs["tests"], outputs["failed"], outputs["lost"]) == ("red", "8", "2", "0")


def test_the_plan_makes_a_matrix_of_three(green):
    assert json.loads(green.act.outputs("plan")["matrix"]) == {"shard": ["1/3", "2/3", "3/3"]}
    assert green.act.outputs("plan")["shards"] == "3"


@pytest.mark.parametrize("job", JOBS)
def test_the_post_step_runs_in_every_job(green, job):
    assert "Success - Post ./.github/parallel-pytest" in green.act.job(job)


def test_a_shard_is_uploaded_also_when_its_tests_fail(red):
    failed = [job for job in RED_JOBS if "Failure - Main pytest" in red.act.job(job)]
    assert failed, red.act.log
    shards = [name for name in red.act.artifact_names() if "-shard-" in name]
    assert sorted(name.split("-shard-")[1][:6] for name in shards) == ["1-of-2", "1-of-2", "2-of-2", "2-of-2"]


def test_a_run_in_two_environments_says_which_one_fails(red):
    assert json.loads(red.act.outputs("plan")["matrix"]) == {"environment": ["strict", "lenient"], "shard": ["1/2", "2/2"]}
    (check,) = red.state["check_runs"]
    summary = check["output"]["summary"]
    assert "| `strict` | 8 | 6 | 2 |" in summary and "| `lenient` | 7 | 6 | 1 |" in summary, summary
    assert "| `tests/test_range.py::test_a_discount_of_everything_is_allowed` | ❌ failed |  |" in summary
    assert "| `tests/test_range.py::test_half_a_discount` | ❌ failed | ❌ failed |" in summary


def test_the_three_jobs_run_the_suite_between_them(green):
    """prepare's GITHUB_ENV has reached the `run: pytest` step."""
    passed = [int(re.search(r"(\d+) passed", green.act.job(job))[1]) for job in JOBS[1:4]]
    assert sum(passed) == 7


def test_publishing_twice_leaves_one_check_run_and_one_comment(green, red):
    for run, conclusion in ((green, "success"), (red, "failure")):
        (check,) = run.state["check_runs"]
        assert (check["head_sha"], check["status"], check["conclusion"]) == (HEAD_SHA, "completed", conclusion)
        assert len(run.state["comments"]) == 1


def test_the_check_run_points_at_the_failing_lines(red):
    """Those of the project that are nearest to the error: one in the code, one in a test."""
    (check,) = red.state["check_runs"]
    places = sorted({(note["path"], note["start_line"]) for note in check["annotations"]})
    assert places == [("src/shop/prices.py", 3), ("tests/test_range.py", 9)]


def test_github_would_have_accepted_every_request(green, red):
    assert green.violations == ""
    assert red.violations == ""


def test_a_fleet_in_every_job(tmp_path, prism):
    run = run_workflow("green", tmp_path, prism, "fleets.yml")
    assert run.act.exit == 0, run.act.log
    outputs = run.act.outputs("report")
    assert (outputs["verdict"], outputs["tests"], outputs["lost"]) == ("green", "8", "0")
    assert float(outputs["coverage"]) == 100
    assert [check["conclusion"] for check in run.state["check_runs"]] == ["success"]
    assert run.violations == ""
