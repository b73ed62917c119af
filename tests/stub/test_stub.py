"""The stub does what it is for: what GitHub refuses, it refuses; what GitHub appends, it appends."""

import base64
import hashlib
import http.client
import json
import time

import pytest

REPO = "/repos/octo/suite"
SHA = "8f0c1d2e3b4a59687766554433221100ffeeddcc"
TWIRP = "/twirp/github.actions.results.api.v1.ArtifactService/"


def note(line):
    return {"path": "a.py", "start_line": line, "end_line": line, "annotation_level": "failure", "message": "m"}


def run(annotations=(), **more):
    output = {"title": "t", "summary": "s", "annotations": list(annotations)}
    return {"name": "tests", "head_sha": SHA, "external_id": "x", "status": "completed", "conclusion": "success", "output": output, **more}


def runtime_token(number=1, job="job-1"):
    claims = base64.urlsafe_b64encode(json.dumps({"scp": f"Actions.Results:run-{number}:{job}"}).encode()).decode().rstrip("=")
    return f"e30.{claims}.signature"


def artifact_call(stub, method, run=1, job="job-1", **body):
    ids = {"workflow_run_backend_id": f"run-{run}", "workflow_job_run_backend_id": job}
    return stub.send("POST", TWIRP + method, {**ids, **body}, token=runtime_token(run, job))


def upload(stub, name, content=b"zip", run=1):
    url = artifact_call(stub, "CreateArtifact", run, name=name, version=4).body["signed_upload_url"]
    number = base64.b64encode(b"block-1").decode()
    assert stub.send("PUT", f"{url}&comp=block&blockid={number}", content, token="").status == 201
    blocks = f"<BlockList><Latest>{number}</Latest></BlockList>".encode()
    assert stub.send("PUT", f"{url}&comp=blocklist", blocks, token="").status == 201
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return artifact_call(stub, "FinalizeArtifact", run, name=name, size=str(len(content)), hash=digest)


def test_annotations_of_an_update_are_appended(stub):
    made = stub.send("POST", f"{REPO}/check-runs", run([note(1)]))
    assert (made.status, made.body["output"]["annotations_count"]) == (201, 1)
    place = f"{REPO}/check-runs/{made.body['id']}"
    updated = stub.send("PATCH", place, {"output": {"title": "t", "summary": "new", "annotations": [note(n) for n in range(2, 52)]}})
    assert (updated.body["output"]["annotations_count"], updated.body["output"]["summary"]) == (51, "new")
    assert len(stub.send("GET", f"{place}/annotations?per_page=50&page=2").body) == 1
    found = stub.send("GET", f"{REPO}/commits/{SHA}/check-runs?check_name=tests").body
    assert [check["id"] for check in found["check_runs"]] == [made.body["id"]]
    assert stub.send("GET", f"{REPO}/commits/{SHA}/check-runs?check_name=other").body["total_count"] == 0
    (kept,) = stub.send("GET", "/_stub/state").body["check_runs"]
    assert [entry["start_line"] for entry in kept["annotations"]] == list(range(1, 52))


def test_of_runs_of_one_name_the_latest_is_shown(stub):
    numbers = [stub.send("POST", f"{REPO}/check-runs", run()).body["id"] for _ in range(2)]
    listed = lambda query: [check["id"] for check in stub.send("GET", f"{REPO}/commits/{SHA}/check-runs{query}").body["check_runs"]]
    assert listed("") == numbers[1:]
    assert listed("?filter=all") == numbers


@pytest.mark.parametrize("body", [
    run([note(n) for n in range(51)]),
    run(output={"title": "t", "summary": "é" * 32768}),
    run([{**note(1), "message": "😀"}]),
    run([{**note(1), "title": "t" * 256}]),
    {"head_sha": SHA},
])
def test_what_the_checks_api_refuses_is_refused(stub, body):
    assert stub.send("POST", f"{REPO}/check-runs", body).status == 422
    assert stub.send("GET", "/_stub/state").body["check_runs"] == []


def test_comments_come_in_pages_and_can_be_changed_and_removed(stub):
    place = f"{REPO}/issues/7/comments"
    numbers = [stub.send("POST", place, {"body": f"comment {n}"}).body["id"] for n in range(31)]
    first = stub.send("GET", place)
    assert len(first.body) == 30
    assert 'rel="next"' in first.headers["link"]
    assert len(stub.send("GET", f"{place}?page=2").body) == 1
    assert stub.send("PATCH", f"{REPO}/issues/comments/{numbers[0]}", {"body": "new"}).body["body"] == "new"
    assert stub.send("DELETE", f"{REPO}/issues/comments/{numbers[1]}").status == 204
    assert stub.send("PATCH", f"{REPO}/issues/comments/{numbers[1]}", {"body": "x"}).status == 404
    assert stub.send("POST", place, {"body": "x" * 65537}).status == 422
    assert stub.send("POST", place, {"body": "x" * 65536}).status == 201
    assert stub.send("GET", f"{REPO}/issues/8/comments").body == []


def test_a_workflows_token_is_a_bots_and_a_personal_one_is_somebodys(stub):
    comment = lambda token: stub.send("POST", f"{REPO}/issues/7/comments", {"body": "x"}, token=token).body["user"]["login"]
    assert comment("ghs_x") == "github-actions[bot]"
    assert comment("ghp_x") == "octocat"
    assert stub.send("GET", "/user", token="ghs_x").status == 403
    assert stub.send("GET", "/user", token="ghp_x").body["login"] == "octocat"
    assert stub.send("GET", f"{REPO}/issues/7/comments", token="").status == 401


def test_pull_requests_are_found_by_branch_and_own_ones_by_commit(stub):
    pull = lambda number, repo: {
        "number": number, "state": "open", "head": {"sha": SHA, "ref": "fix", "repo": {"full_name": repo}},
        "base": {"sha": "0", "ref": "main", "repo": {"full_name": "octo/suite"}},
    }
    stub.send("PUT", "/_stub/state", {"pulls": [pull(1, "octo/suite"), pull(2, "mallory/suite")]})
    numbers = lambda place: [found["number"] for found in stub.send("GET", REPO + place).body]
    assert numbers("/pulls?head=mallory:fix&state=open") == [2]
    assert numbers(f"/commits/{SHA}/pulls") == [1]
    assert stub.send("PUT", "/_stub/state", {"pull": []}).status == 400


def test_an_artifact_goes_up_in_blocks_and_down_both_ways(stub):
    assert upload(stub, "report").body["ok"] is True
    (listed,) = artifact_call(stub, "ListArtifacts", job="job-2").body["artifacts"]
    assert (listed["name"], listed["size"]) == ("report", "3")
    job = listed["workflow_job_run_backend_id"]
    url = stub.send("POST", TWIRP + "GetSignedArtifactURL", {"workflow_run_backend_id": "run-1", "workflow_job_run_backend_id": job, "name": "report"},
                    token=runtime_token(1, "job-2")).body["signed_url"]
    assert stub.send("GET", url, token="").body == b"zip"
    (shown,) = stub.send("GET", f"{REPO}/actions/runs/1/artifacts").body["artifacts"]
    assert shown["digest"] == "sha256:" + hashlib.sha256(b"zip").hexdigest()
    redirect = stub.send("GET", f"{REPO}/actions/artifacts/{shown['id']}/zip")
    assert redirect.status == 302
    assert stub.send("GET", redirect.headers["location"], token="").body == b"zip"
    assert stub.send("GET", f"{REPO}/actions/runs/2/artifacts").body["total_count"] == 0
    assert artifact_call(stub, "ListArtifacts", run=2).body == {"artifacts": []}


def test_a_name_is_taken_for_the_whole_run(stub):
    assert upload(stub, "report").status == 200
    again = artifact_call(stub, "CreateArtifact", job="job-2", name="report", version=4)
    assert (again.status, again.body["code"]) == (409, "already_exists")
    assert artifact_call(stub, "CreateArtifact", run=2, name="report", version=4).status == 200


def test_an_upload_that_is_not_what_it_says_is_refused(stub):
    url = artifact_call(stub, "CreateArtifact", name="report", version=4).body["signed_upload_url"]
    assert artifact_call(stub, "FinalizeArtifact", name="report", size="3").status == 404
    assert stub.send("PUT", url, b"zip", token="").status == 400
    assert stub.send("PUT", url, b"zip", token="", **{"x-ms-blob-type": "BlockBlob"}).status == 201
    assert artifact_call(stub, "FinalizeArtifact", name="report", size="4").status == 400
    assert artifact_call(stub, "FinalizeArtifact", name="report", size="3", hash="sha256:0").status == 400
    assert artifact_call(stub, "CreateArtifact", name="a/b", version=4).status == 400
    assert stub.send("POST", TWIRP + "ListArtifacts", {"workflow_run_backend_id": "run-2"}, token=runtime_token()).status == 403


def test_a_token_at_the_blob_store_is_an_error_and_is_remembered(stub):
    stub.send("PUT", "/_stub/artifacts/5/left", b"zip", token="")
    (shown,) = stub.send("GET", f"{REPO}/actions/runs/5/artifacts").body["artifacts"]
    place = stub.send("GET", f"{REPO}/actions/artifacts/{shown['id']}/zip").headers["location"]
    assert stub.send("GET", place).status == 400
    assert len(stub.send("GET", "/_stub/state").body["leaks"]) == 1
    assert stub.send("GET", place.split("?")[0], token="").status == 403


def test_a_new_artifact_appears_late_when_asked_to(stub):
    stub.send("PUT", "/_stub/state", {"lag": 2, "camel": True})
    stub.send("PUT", "/_stub/artifacts/1/left", b"zip", token="")
    counts = [len(artifact_call(stub, "ListArtifacts").body["artifacts"]) for _ in range(3)]
    assert counts == [0, 0, 1]
    assert "workflowRunBackendId" in artifact_call(stub, "ListArtifacts").body["artifacts"][0]


def test_faults_hit_the_requests_they_are_meant_for(stub):
    place = f"{REPO}/issues/7/comments"
    stub.send("PUT", "/_stub/faults", [
        {"where": "POST .*/comments$", "first": 2, "times": 2, "status": 429, "headers": {"retry-after": "1"}},
        {"where": "^GET ", "status": 500, "delay": 0.2},
    ])
    answers = [stub.send("POST", place, {"body": "x"}) for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 429, 429, 201]
    assert answers[1].headers["retry-after"] == "1"
    began = time.monotonic()
    assert stub.send("GET", place).status == 500
    assert time.monotonic() - began >= 0.2
    assert len(stub.send("GET", place).body) == 2


def test_an_answer_can_get_lost_after_the_work_is_done(stub):
    place = f"{REPO}/issues/7/comments"
    stub.send("PUT", "/_stub/faults", [{"where": "POST", "status": 502, "carried_out": True}])
    assert stub.send("POST", place, {"body": "x"}).status == 502
    stub.send("PUT", "/_stub/faults", [{"where": "POST", "reset": True, "carried_out": True}])
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        stub.send("POST", place, {"body": "y"})
    assert [comment["body"] for comment in stub.send("GET", place).body] == ["x", "y"]
    assert [line["status"] for line in stub.lines("requests.jsonl")] == [502, "reset", 200]


def test_permissions_and_the_rate_limit_end(stub):
    stub.send("PUT", "/_stub/state", {"denied": ["checks: write"], "remaining": 2})
    refused = stub.send("POST", f"{REPO}/check-runs", run())
    assert (refused.status, refused.body["message"]) == (403, "Resource not accessible by integration")
    assert stub.send("GET", f"{REPO}/issues/7/comments").headers["x-ratelimit-remaining"] == "0"
    limited = stub.send("GET", f"{REPO}/issues/7/comments")
    assert (limited.status, limited.headers["x-ratelimit-remaining"]) == (403, "0")


def test_prism_finds_nothing_wrong_with_a_right_request(validated):
    made = validated.send("POST", f"{REPO}/check-runs", run([note(1)])).body
    validated.send("PATCH", f"{REPO}/check-runs/{made['id']}", {"output": {"title": "t", "summary": "s"}})
    validated.send("GET", f"{REPO}/check-runs/{made['id']}/annotations?per_page=100&page=1")
    validated.send("GET", f"{REPO}/commits/{SHA}/check-runs?check_name=tests&filter=all")
    comment = validated.send("POST", f"{REPO}/issues/7/comments", {"body": "x"}).body
    validated.send("GET", f"{REPO}/issues/7/comments?per_page=100&page=1")
    validated.send("PATCH", f"{REPO}/issues/comments/{comment['id']}", {"body": "y"})
    validated.send("DELETE", f"{REPO}/issues/comments/{comment['id']}")
    validated.send("GET", f"{REPO}/pulls?head=octo:fix&state=open")
    validated.send("GET", f"{REPO}/commits/{SHA}/pulls")
    validated.send("GET", f"{REPO}/actions/runs/1/artifacts?name=x&per_page=100")
    validated.send("GET", f"{REPO}/actions/artifacts/5/zip")
    validated.send("GET", f"{REPO}/actions/artifacts?name=x")
    validated.send("GET", "/user")
    assert validated.lines("violations.jsonl") == []
    assert len(validated.lines("requests.jsonl")) == 14


@pytest.mark.parametrize(("method", "place", "body"), [
    ("POST", "/check-runs", run([note(n) for n in range(51)])),
    ("POST", "/check-runs", run([{**note(1), "annotation_level": "error"}])),
    ("POST", "/check-runs", run(output={"title": "t", "summary": "x" * 65536})),
    ("POST", "/issues/7/comments", {}),
    ("GET", "/pulls?state=ajar", None),
    ("GET", "/no/such/place", None),
])
def test_prism_finds_what_is_wrong(validated, method, place, body):
    validated.send(method, REPO + place, body)
    (violation,) = validated.lines("violations.jsonl")
    assert (violation["method"], violation["path"]) == (method, REPO + place)
