"""Suites of one repository, each published by a job of its own, in one comment."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_publish import BINARY, PULL, REPO, SHAS, call
from test_stub import runtime_token

pytestmark = pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")

GREEN = '<testcase classname="shop" name="test_{}"/>'
RED = '<testcase classname="shop" name="test_{}"><failure message="assert 7 == 8">long {}</failure></testcase>'


def publish(folder, stub, suite, *, failed=0, run=1, attempt=1, sha=SHAS["head"], more=()):
    home = folder / f"{suite}-{run}-{attempt}"
    home.mkdir()
    cases = [GREEN.format(number) for number in range(5)] + [RED.format(number, "word " * 200) for number in range(5, 5 + failed)]
    (home / "unit.xml").write_text(f'<testsuite name="{suite}">{"".join(cases)}</testsuite>')
    event = json.loads(json.dumps({"repository": {"default_branch": "main"}, **PULL}))
    event["pull_request"]["head"]["sha"] = sha
    (home / "event.json").write_text(json.dumps(event))
    github = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPO, "GITHUB_SHA": SHAS["merge"], "GITHUB_RUN_ID": str(run), "GITHUB_RUN_ATTEMPT": str(attempt),
        "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(home / "event.json"), "GITHUB_API_URL": stub.url,
        "ACTIONS_RESULTS_URL": stub.url, "ACTIONS_RUNTIME_TOKEN": runtime_token(run), "INPUT_TOKEN": "token-of-the-run",
    }
    return call(home, "publish", "--junit", "unit.xml", "--suite", suite, "--comment-name", "all", *more, **github)


def publish_all(folder, stub, suites, **more):
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda suite: publish(folder, stub, suite, failed=suites[suite], **more), suites))
    assert [one.exit for one in done] == [int(failed > 0) for failed in suites.values()], [one.said for one in done]


def comment(stub):
    (only,) = stub.send("GET", "/_stub/state").body["comments"]
    assert len(only["body"].encode()) <= 65536
    return only["body"]


def sections(body):
    return re.findall(r"^<!-- parallel-pytest-section suite=(\w+) run=(\d+) attempt=(\d+) .* verdict=(\w+) ", body, re.M)


def headline(body):
    return body.splitlines()[1]


def test_three_suites_that_publish_at_once_share_one_comment(tmp_path, validated):
    stub = validated
    # What was read long before it is written takes away what others wrote in between.
    stub.send("PUT", "/_stub/faults", [{"where": "(PATCH|POST) .*/comments", "times": 2, "delay": 0.7}])
    publish_all(tmp_path, stub, {"api": 2, "web": 0, "cli": 0})
    body = comment(stub)
    assert sections(body) == [("api", "1", "1", "red"), ("cli", "1", "1", "green"), ("web", "1", "1", "green")]
    assert headline(body) == "## ❌ 1 of 3 suites is red (`api`)"
    assert "shop::test_5" in body and "| ✅ | [`web`](" in body

    # A re-run of one of them, by jobs that are repeated.
    assert publish(tmp_path, stub, "api", attempt=2).exit == 0
    body = comment(stub)
    assert sections(body) == [("api", "1", "2", "green"), ("cli", "1", "1", "green"), ("web", "1", "1", "green")]
    assert headline(body) == "## ✅ all 3 suites are green"

    # The next commit: what is there of the others is not about it, and what comes late of the last one changes nothing.
    assert publish(tmp_path, stub, "web", run=2, sha=SHAS["second"], failed=1).exit == 1
    after = comment(stub)
    assert headline(after) == "## ❌ 1 of 3 suites is red (`web`), 2 not at this commit yet"
    assert publish(tmp_path, stub, "web", run=1, attempt=3).exit == 0
    assert comment(stub) == after
    assert stub.lines("violations.jsonl") == []

    # An older run that read before a newer one wrote, and writes after it.
    stub.send("PUT", "/_stub/faults", [{"where": "PATCH .*/comments", "times": 1, "delay": 1.2}])
    with ThreadPoolExecutor() as pool:
        older = pool.submit(publish, tmp_path, stub, "web", run=3, sha=SHAS["first"])
        time.sleep(0.6)
        newer = pool.submit(publish, tmp_path, stub, "web", run=4, sha=SHAS["second"], failed=1)
    assert (older.result().exit, newer.result().exit) == (0, 1)
    assert sections(comment(stub)) == [("web", "4", "1", "red"), ("api", "1", "2", "green"), ("cli", "1", "1", "green")]


def test_suites_with_much_to_say_have_a_fair_part_of_the_comment(tmp_path, stub):
    publish_all(tmp_path, stub, {f"s{number}": 400 for number in range(4)})
    body = comment(stub)
    assert [suite for suite, *_ in sections(body)] == ["s0", "s1", "s2", "s3"]
    sizes = [len(part.encode()) for part in body.split("<!-- parallel-pytest-section ")[1:]]
    assert min(sizes) > 10_000, sizes
    assert body.count("```") % 2 == 0


def test_a_green_suite_joins_a_comment_and_makes_none(tmp_path, stub):
    on_failure = ["--comment", "on-failure"]
    assert publish(tmp_path, stub, "web", more=on_failure).exit == 0
    assert stub.send("GET", "/_stub/state").body["comments"] == []
    assert publish(tmp_path, stub, "api", failed=1, more=on_failure).exit == 1
    assert publish(tmp_path, stub, "web", attempt=2, more=on_failure).exit == 0
    assert [suite for suite, *_ in sections(comment(stub))] == ["api", "web"]
