"""The container action on the docker line of GitHub's own runner, without act in between."""

import json
import subprocess

import pytest
from doubles import COMPOSE, HEAD_SHA, Runner


def plan_job(home, suite, stub):
    job = Runner(home / "plan", suite, stub.url, results=stub.url)
    step = job.uses(command="plan", shards="3")
    assert step.exit == 0, step.log
    return job, json.loads(step.outputs["matrix"])["shard"]


def shard_job(home, suite, shard, stub):
    job = Runner(home / shard.replace("/", "-of-"), suite, stub.url, results=stub.url)
    prepare = job.uses(command="prepare", shard=shard)
    assert prepare.exit == 0, prepare.log
    tests = job.run("pytest --cov=src")
    post = prepare.post()
    assert post.exit == 0, post.log
    return job, tests


def report_job(home, suite, stub, needs, publish=1):
    job = Runner(home / "report", suite, stub.url, results=stub.url)
    needs = json.dumps({name: {"result": result, "outputs": {}} for name, result in needs.items()})
    return [job.uses(command="publish", needs=needs) for _ in range(publish)]


def whole_run(home, suite, stub):
    _, shards = plan_job(home, suite, stub)
    assert shards == ["1/3", "2/3", "3/3"]
    tests = [shard_job(home, suite, shard, stub)[1] for shard in shards]
    needs = {"plan": "success", "test": "failure" if any(test.returncode for test in tests) else "success"}
    return tests, report_job(home, suite, stub, needs, publish=2)


def test_a_green_suite(tmp_path, stub):
    shards, steps = whole_run(tmp_path, "green", stub)
    for tests in shards:
        assert tests.returncode == 0, tests.stdout
    for step in steps:
        assert step.exit == 0, step.log
        assert (step.outputs["verdict"], step.outputs["tests"], step.outputs["lost"]) == ("green", "8", "0")
        assert float(step.outputs["coverage"]) == 100
    state = stub.state()
    (check,) = state["check_runs"]
    assert (check["head_sha"], check["conclusion"]) == (HEAD_SHA, "success")
    assert len(state["comments"]) == 1
    assert stub.violations() == ""


def test_a_red_suite(tmp_path, stub):
    shards, steps = whole_run(tmp_path, "red", stub)
    assert sorted(tests.returncode for tests in shards) == [0, 0, 1]
    for step in steps:
        assert step.exit == 1, step.log
        assert (step.outputs["verdict"], step.outputs["failed"], step.outputs["lost"]) == ("red", "2", "0")
    state = stub.state()
    (check,) = state["check_runs"]
    assert check["conclusion"] == "failure"
    assert len(state["comments"]) == 1


def test_a_missing_shard_is_never_green(tmp_path, stub):
    plan_job(tmp_path, "green", stub)
    for shard in ("1/3", "3/3"):
        shard_job(tmp_path, "green", shard, stub)
    (step,) = report_job(tmp_path, "green", stub, {"plan": "success", "test": "success"})
    assert step.exit == 3, step.log
    assert step.outputs["verdict"] == "red"
    assert "2/3" in step.summary


def test_a_fleet_in_every_job(tmp_path, stub):
    """The checkout is a folder of the host, and the container of the action sees it somewhere else."""
    _, shards = plan_job(tmp_path, "green", stub)
    for shard in shards:
        job = Runner(tmp_path / shard.replace("/", "-of-"), "green", stub.url, results=stub.url)
        (job.workspace / "docker-compose.yml").write_text(COMPOSE)
        job.own(job.workspace)
        step = job.uses(command="run", shard=shard, compose_service="app", pytest="pytest --cov=src")
        assert step.exit == 0, step.log
        assert [str(path) for path in job.workspace.rglob("*") if path.stat().st_uid == 0] == []
    (step,) = report_job(tmp_path, "green", stub, {"plan": "success", "test": "success"})
    assert step.exit == 0, step.log
    assert (step.outputs["verdict"], step.outputs["tests"]) == ("green", "8")
    assert float(step.outputs["coverage"]) == 100
    left = subprocess.run(["docker", "ps", "-aq", "--filter", "label=parallel-pytest.run"], capture_output=True, text=True)
    assert left.stdout == ""


def test_all_fleets_in_one_step_of_one_box(tmp_path, stub):
    job = Runner(tmp_path, "green", stub.url, results=stub.url)
    (job.workspace / "docker-compose.yml").write_text(COMPOSE)
    job.own(job.workspace)
    step = job.uses(command="local", shards="2", compose_service="app", pytest="pytest --cov=src")
    assert step.exit == 0, step.log
    step = job.uses(command="publish", reports=".parallel-pytest")
    assert step.exit == 0, step.log
    assert (step.outputs["verdict"], step.outputs["tests"], step.outputs["lost"]) == ("green", "8", "0")
    assert float(step.outputs["coverage"]) == 100
    assert [check["conclusion"] for check in stub.state()["check_runs"]] == ["success"]
    assert [str(path) for path in job.workspace.rglob("*") if path.stat().st_uid == 0] == []
    left = subprocess.run(["docker", "ps", "-aq", "--filter", "label=parallel-pytest.run"], capture_output=True, text=True)
    assert left.stdout == ""


def test_what_the_action_leaves_behind_belongs_to_the_runners_user(tmp_path, stub):
    """A file of root's in the workspace would break a self-hosted runner's next checkout."""
    plan, _ = plan_job(tmp_path, "green", stub)
    shard, _ = shard_job(tmp_path, "green", "1/3", stub)
    for job in (plan, shard):
        assert [str(path) for path in job.workspace.rglob("*") if path.stat().st_uid == 0] == []


def test_no_step_prints_the_token(tmp_path, stub):
    step = Runner(tmp_path, "green", stub.url, results=stub.url).uses(command="plan", shards="2")
    assert step.exit == 0, step.log
    assert "token-of-the-run" not in step.log


@pytest.mark.parametrize("shard", ["7/6", "0/3", "a/b"])
def test_a_shard_that_cannot_be_is_refused_with_a_word_on_it(tmp_path, stub, shard):
    step = Runner(tmp_path, "green", stub.url, results=stub.url).uses(command="prepare", shard=shard)
    assert step.exit == 2
    assert shard in step.log
