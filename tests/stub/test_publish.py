"""Runs of a small suite, published to the stub: what one leaves, the next is compared with."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_stub import runtime_token

BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", "")
PYTHON = Path(sys.executable)
REPO = "acme/shop"
SHAS = {name: digit * 40 for name, digit in [("first", "1"), ("second", "2"), ("merge", "3"), ("head", "4")]}

SHOP = "def price(number):\n    if number > 3:\n        return number * 2\n    return number\n"
TESTS = "from shop import price\n\ndef test_low():\n    assert price(1) == 1\n\ndef test_high():\n    assert price(4) == {high}\n"


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / "shop.py").write_text(SHOP)
    (folder / "test_a.py").write_text(TESTS.format(high=8))
    (folder / "test_b.py").write_text("def test_b():\n    pass\n")
    return folder


def call(folder, *arguments, **variables):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "ACTIONS_", "INPUT_", "PYTEST", "PARALLEL_PYTEST_"))}
    path = f"{PYTHON.parent}:{os.environ['PATH']}"
    done = subprocess.run([BINARY, *arguments], cwd=folder, env={**clean, "PATH": path, **variables}, capture_output=True, text=True, timeout=120)
    return SimpleNamespace(exit=done.returncode, said=done.stdout + done.stderr)


def run(suite, stub, number, sha, event=None, more=(), **variables):
    """One run of a workflow: plan, two shards, publish. The result as others read it."""
    assert call(suite, "plan", "--shards", "2").exit == 0
    for shard in ("1/2", "2/2"):
        call(suite, "run", "--shard", shard, "--", "pytest", "--cov=.", "-p", "no:randomly", "-p", "no:cacheprovider")
    payload = suite.parent / f"event-{number}.json"
    payload.write_text(json.dumps({"repository": {"default_branch": "main"}, **(event or {})}))
    github = {
        "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPO, "GITHUB_SHA": sha, "GITHUB_RUN_ID": str(number), "GITHUB_REF_NAME": "main",
        "GITHUB_EVENT_NAME": "pull_request" if event else "push", "GITHUB_EVENT_PATH": str(payload), "GITHUB_API_URL": stub.url,
        "GITHUB_OUTPUT": str(suite.parent / f"outputs-{number}"), "ACTIONS_RESULTS_URL": stub.url, "ACTIONS_RUNTIME_TOKEN": runtime_token(number),
        "INPUT_TOKEN": "token-of-the-run", **variables,
    }
    done = call(suite, "publish", "--reports", ".parallel-pytest", *more, **github)
    done.result = json.loads((suite / "report/result.json").read_text())
    done.outputs = (suite.parent / f"outputs-{number}").read_text()
    return done


def set_up(stub, **settings):
    assert stub.send("PUT", "/_stub/state", settings).status == 200


def commits(*names):
    return {f"GET /repos/{REPO}/commits": [{"sha": SHAS[name]} for name in names]}


PULL = {
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"sha": SHAS["head"], "ref": "fix", "repo": {"full_name": REPO, "owner": {"login": "acme"}}},
        "base": {"sha": SHAS["first"], "ref": "main"},
    },
}


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
def test_a_pull_request_is_compared_with_its_base_and_its_new_lines_are_judged(suite, validated):
    stub = validated
    first = run(suite, stub, 1, SHAS["first"])
    assert first.exit == 0, first.said
    assert first.result["comparison"] is None
    (check,) = stub.send("GET", "/_stub/state").body["check_runs"]
    assert "not compared: no run of this repository has left a result" in check["output"]["summary"]

    of_main = {"id": 1, "head_sha": SHAS["second"], "head_branch": "main", "repository_id": 1, "head_repository_id": 1}
    patch = "@@ -1,4 +1,6 @@\n def price(number):\n     if number > 3:\n         return number * 2\n+    if number < 0:\n+        return 0\n     return number"
    answers = {
        **commits("merge", "head", "second", "first"),
        f"GET /repos/{REPO}/git/commits/{SHAS['merge']}": {"parents": [{"sha": SHAS["second"]}, {"sha": SHAS["head"]}]},
        f"GET /repos/{REPO}/compare/{SHAS['second']}...{SHAS['merge']}": {"files": [{"filename": "shop.py", "patch": patch}]},
    }
    set_up(stub, runs={"1": of_main}, answers=answers)
    (suite / "shop.py").write_text(SHOP.replace("    return number\n", "    if number < 0:\n        return 0\n    return number\n"))
    (suite / "test_a.py").write_text(TESTS.format(high=9))
    before = len(stub.lines("requests.jsonl"))
    second = run(suite, stub, 2, SHAS["merge"], PULL, more=["--patch-fail-under", "80", "--coverage-annotations", "on"])
    assert second.exit == 1, second.said
    assert second.result["comparison"]["commit"] == SHAS["first"]
    assert second.result["comparison"]["new_failures"] == ["test_a.py::test_high"]
    assert second.result["patch"]["missing"] == {"shop.py": [5]}
    assert "below the 80 % of --patch-fail-under" in str(second.result["reasons"])
    assert "patch-coverage<<" in second.outputs and "\n50.00\n" in second.outputs
    state = stub.send("GET", "/_stub/state").body
    marks = {(note["path"], note["start_line"], note["annotation_level"]) for note in state["check_runs"][-1]["annotations"]}
    assert ("shop.py", 5, "warning") in marks
    (comment,) = state["comments"]
    assert "Coverage of the change: 50.0%" in comment["body"] and "1 new failure" in comment["body"]
    asked = [line["path"].split("?")[0].rsplit("/", 1)[-1] for line in stub.lines("requests.jsonl")[before:] if not line["blob"] and line["method"] == "GET"]
    assert asked.count("commits") == 1 and len(asked) <= 9, asked
    assert stub.lines("violations.jsonl") == []


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
def test_a_change_of_very_many_files_is_told_by_the_checkout_or_by_the_list_of_files(suite, validated):
    stub = validated
    git = ["git", "-C", suite, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]

    def commit(*arguments):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
        return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    (suite / ".gitignore").write_text("*\n!*.py\n")
    subprocess.run([*git, "add", "-A"], check=True)
    base = commit("commit", "-qm", "base")
    branch = subprocess.run([*git, "branch", "--show-current"], check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([*git, "checkout", "-qb", "fix"], check=True)
    (suite / "shop.py").write_text(SHOP.replace("    return number\n", "    if number < 0:\n        return 0\n    return number\n"))
    head = commit("commit", "-qam", "head")
    subprocess.run([*git, "checkout", "-q", branch], check=True)
    (suite / "test_b.py").write_text("def test_b():\n    assert True\n")
    tip = commit("commit", "-qam", "the base goes on")
    merge = commit("merge", "-q", "--no-ff", "-m", "merge", "fix")

    pull = {**PULL["pull_request"], "state": "open", "head": {**PULL["pull_request"]["head"], "sha": head}, "base": {"sha": base, "ref": "main"}}
    patch = "@@ -4,0 +4,2 @@\n+    if number < 0:\n+        return 0"
    many = [{"filename": f"docs/{number}.md"} for number in range(300)]
    answers = {
        f"GET /repos/{REPO}/git/commits/{merge}": {"parents": [{"sha": tip}, {"sha": head}]},
        f"GET /repos/{REPO}/compare/{tip}...{merge}": {"files": many},
        f"GET /repos/{REPO}/pulls/7/files": [{"filename": "shop.py", "patch": patch}, {"filename": "test_b.py", "patch": "@@ -1,0 +1,1 @@\n+x"}],
        f"GET /repos/{REPO}/compare/{head}...{base}": {"files": [{"filename": "test_b.py"}]},
    }
    set_up(stub, pulls=[pull], answers=answers)
    # The checkout is of that merge. What its first parent has, which is more than the base of the event, is not of the change.
    told = run(suite, stub, 1, merge, {**PULL, "pull_request": pull})
    assert told.result["patch"]["missing"] == {"shop.py": [5]} and told.result["patch"]["against"] == "the first parent of this merge", told.said
    asked = lambda: [line["path"].split("?")[0].removeprefix(f"/repos/{REPO}/") for line in stub.lines("requests.jsonl")]
    assert "pulls/7/files" not in asked()
    # The checkout is of something else.
    subprocess.run([*git, "checkout", "-q", "--detach", head], check=True)
    told = run(suite, stub, 2, merge, {**PULL, "pull_request": pull})
    assert told.result["patch"]["missing"] == {"shop.py": [5]}, told.said
    assert told.result["patch"]["against"] == f"{base[:8]}, without 1 file that both changed"
    assert asked().count("pulls/7/files") == 1
    assert stub.lines("violations.jsonl") == []


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
def test_a_fork_compares_and_leaves_nothing(suite, stub):
    set_up(stub, answers=commits("merge", "first"), denied=["checks: write", "pull-requests: write"])
    run(suite, stub, 1, SHAS["first"])
    names = [artifact["name"] for artifact in stub.send("GET", "/_stub/state").body["artifacts"]]
    assert "parallel-pytest-pytest-history" in names
    set_up(stub, runs={"1": {"id": 1, "head_sha": SHAS["first"], "head_branch": "main", "repository_id": 1, "head_repository_id": 1}})
    fork = json.loads(json.dumps(PULL))
    fork["pull_request"]["head"]["repo"] = {"full_name": "mallory/shop", "owner": {"login": "mallory"}}
    second = run(suite, stub, 2, SHAS["merge"], fork)
    assert second.exit == 0, second.said
    assert second.result["comparison"]["commit"] == SHAS["first"]
    after = [artifact["name"] for artifact in stub.send("GET", "/_stub/state").body["artifacts"] if artifact["run"] == "2"]
    assert after == ["parallel-pytest-pytest-report-a1"]


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 403, "message": "Resource not accessible by integration"}])
def test_a_result_is_published_without_what_github_does_not_tell(suite, stub, fault):
    stub.send("PUT", "/_stub/faults", [{"where": "GET .*/(actions/artifacts|git/commits)", "times": 99, **fault}])
    done = run(suite, stub, 1, SHAS["merge"], PULL)
    assert done.exit == 0, done.said
    assert done.result["comparison"] is None and done.result["patch"] is None
    state = stub.send("GET", "/_stub/state").body
    assert "not compared: GitHub" in state["check_runs"][0]["output"]["summary"]
    assert "the coverage of the change is not known" in str(done.result["warnings"])


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
def test_badges_go_to_a_branch_and_the_comment_speaks_as_it_is_told(suite, validated):
    stub = validated
    git = f"/repos/{REPO}/git"
    answers = {
        f"GET {git}/ref/heads/badges": {"object": {"sha": SHAS["first"]}},
        f"GET {git}/commits/{SHAS['first']}": {"sha": SHAS["first"], "parents": [], "tree": {"sha": "a" * 40}},
        f"POST {git}/trees": {"sha": "b" * 40},
        f"POST {git}/commits": {"sha": "c" * 40},
        f"PATCH {git}/refs/heads/badges": {"ref": "refs/heads/badges"},
    }
    set_up(stub, answers=answers)
    done = run(suite, stub, 1, SHAS["second"], more=["--badges-branch", "badges"])
    assert done.exit == 0, done.said
    sent = [f"{line['method']} {line['path'].split('/git/')[1]}" for line in stub.lines("requests.jsonl") if "/git/" in line["path"]]
    assert sent == ["GET ref/heads/badges", f"GET commits/{SHAS['first']}", "POST trees", "POST commits", "PATCH refs/heads/badges"]
    before = len(stub.lines("requests.jsonl"))
    (suite / "comment.md").write_text("We have {{ result.totals.all }} tests\n\n{{ comment }}")
    done = run(suite, stub, 2, SHAS["merge"], PULL, more=["--badges-branch", "badges", "--comment-template", "comment.md"])
    assert done.exit == 0, done.said
    (comment,) = stub.send("GET", "/_stub/state").body["comments"]
    assert comment["body"].startswith("<!-- parallel-pytest:pytest -->\nWe have 3 tests\n\n## ")
    assert not [line for line in stub.lines("requests.jsonl")[before:] if "/git/trees" in line["path"]], "not of a pull request"
    assert stub.lines("violations.jsonl") == []


@pytest.mark.skipif(not BINARY, reason="PARALLEL_PYTEST_BINARY is not set: run tests/run stub")
def test_flaky_tests_are_run_again_kept_and_muted(suite):
    (suite / "test_b.py").write_text("seen = []\n\ndef test_b():\n    seen.append(1)\n    assert len(seen) == 2\n")
    (suite / "test_a.py").write_text(TESTS.format(high=9))
    entry = '[[test]]\nid = "test_a.py::test_high"\nreason = "slow network"\nowner = "@shop"\nexpires = {}\n'
    (suite / "quarantine.toml").write_text(entry.format("2999-12-31"))
    (suite / "pyproject.toml").write_text('[tool.parallel-pytest]\nquarantine = "quarantine.toml"\n')
    local = ["local", "--shards", "2", "--retries", "1", "--", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = call(suite, *local)
    result = json.loads((suite / "report/result.json").read_text())
    assert done.exit == 0, done.said
    assert result["quarantined"] == ["test_a.py::test_high"] and result["totals"]["flaky"] == 1
    assert "test_b.py::test_b" in call(suite, "flaky").said
    (suite / "quarantine.toml").write_text(entry.format("2026-01-01"))
    done = call(suite, *local)
    assert done.exit == 1 and "the quarantine of test_a.py::test_high ended on 2026-01-01" in done.said
    (suite / "quarantine.toml").write_text("[[test]]\nid = 3\n")
    done = call(suite, *local)
    assert done.exit == 2 and "quarantine.toml: line " in done.said
