#!/usr/bin/env python3
"""A stub of GitHub that remembers: its REST API and the artifact service on one port, the blob store on another.

    github.py --port P --blob-port Q --state DIR [--openapi-proxy http://127.0.0.1:R]

It does what no other double does: annotations of an update are appended and more than 50 refused, artifacts lead by a redirect
to a store that takes no token, lists come in pages, and faults happen when told to.

    GET  /_stub/state      all there is: check_runs, comments, artifacts, leaks, settings
    PUT  /_stub/state      changes settings and what the API is to find: see SETTINGS
    PUT  /_stub/faults     a list of faults: see Fault; DIR/faults.json does the same at the start
    PUT  /_stub/artifacts/RUN/NAME   the body is a zip that run RUN has left

DIR/requests.jsonl has every request. With a proxy, which is Prism with GitHub's OpenAPI description, every request of the REST
API goes there too, and DIR/violations.jsonl has what the description does not allow.
"""

import argparse
import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SETTINGS = {
    "pulls": [],  # of the API, as they are
    "jobs": [],  # of every run
    "runs": {},  # id -> what an artifact's `workflow_run` says of it
    "denied": [],  # permissions that the token lacks, such as "checks: write"
    "remaining": 1000,  # requests until the rate limit
    "reset": 3600,  # seconds until it is over
    "lag": 0,  # how many lists do not show a new artifact yet
    "camel": False,  # the artifact service answers in camelCase
    "answers": {},  # "GET /path" -> JSON, for everything else
}
INTEGRATION = "Resource not accessible by integration"


class Refusal(Exception):
    def __init__(self, status, message, errors=None, headers=None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
        if errors:
            self.body["errors"] = errors


class Fault:
    """A failure of the requests `first` to `first + times - 1` whose method and path fit `where`, a regular expression.

    {"where": "POST .*/check-runs$", "first": 1, "times": 1, "status": 500, "headers": {}, "message": "…", "delay": seconds,
     "reset": false, "carried_out": false}

    With `carried_out` the request is done and only its answer is lost. With neither `status` nor `reset` it is only slow.
    """

    def __init__(self, where, first=1, times=1, status=0, headers=None, message="a fault", delay=0, reset=False, carried_out=False):
        self.where, self.seen, self.due = re.compile(where), 0, range(first, first + times)
        self.status, self.headers, self.message = status, headers or {}, message
        self.delay, self.reset, self.carried_out = delay, reset, carried_out

    def hits(self, request):
        if self.where.search(request):
            self.seen += 1
            return self.seen in self.due
        return False


class World:
    def __init__(self, folder, blob_url, proxy):
        self.folder, self.blob_url, self.proxy = folder, blob_url, proxy
        self.lock, self.ids = threading.RLock(), 1000
        self.check_runs, self.comments, self.artifacts, self.leaks, self.faults = [], [], [], [], []
        self.blobs, self.blocks, self.settings = {}, {}, json.loads(json.dumps(SETTINGS))
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "faults.json").exists():
            self.set_faults(json.loads((folder / "faults.json").read_text()))

    def set_faults(self, faults):
        self.faults = [Fault(**fault) for fault in faults]

    def state(self):
        artifacts = [{key: value for key, value in artifact.items() if key != "hidden"} for artifact in self.artifacts]
        return {"check_runs": self.check_runs, "comments": self.comments, "artifacts": artifacts, "leaks": self.leaks, **self.settings}

    def next_id(self):
        self.ids += 1
        return self.ids

    def note(self, file, entry):
        with self.lock, (self.folder / file).open("a") as out:
            out.write(json.dumps(entry) + "\n")

    def fault(self, request):
        with self.lock:
            hits = [fault for fault in self.faults if fault.hits(request)]
        return hits[0] if hits else None

    def visible_artifacts(self):
        """Lists lag behind what was uploaded."""
        shown = []
        for artifact in self.artifacts:
            if artifact["hidden"] > 0:
                artifact["hidden"] -= 1
            elif artifact["finished"]:
                shown.append(artifact)
        return shown


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# The REST API. A route's function gets the world, the request and the parts of the path, and returns a status and JSON.

ROUTES = []


def route(method, pattern, permission=None):
    place = "^/repos/([^/]+/[^/]+)" + re.sub(r"{\w+}", "([^/]+)", pattern) + "$"

    def add(function):
        ROUTES.append((method, re.compile(place), permission, function))
        return function

    return add


def invalid(field, message):
    return Refusal(422, "Validation Failed", [{"resource": "x", "code": "custom", "field": field, "message": message}])


def check_output(output):
    if not isinstance(output, dict) or not output.get("title") or "summary" not in output:
        raise invalid("output", "title and summary are needed")
    for field in ("summary", "text"):
        if len((output.get(field) or "").encode()) > 65535:
            raise invalid(field, "Only 65535 characters are allowed")
    annotations = output.get("annotations") or []
    if len(annotations) > 50:
        raise invalid("annotations", "only 50 annotations are allowed in one request")
    for note in annotations:
        if not {"path", "start_line", "end_line", "annotation_level", "message"} <= note.keys() or not note["message"]:
            raise invalid("annotations", "a field is missing")
        if len(note["message"].encode()) > 65536 or len(note.get("title") or "") > 255:
            raise invalid("annotations", "a field is too long")
        if any(ord(char) > 0xFFFF for field in ("title", "message", "raw_details") for char in note.get(field) or ""):
            raise invalid("annotations", "a character is above U+FFFF")


def shown_run(run):
    return {key: value for key, value in run.items() if key != "annotations"}


def apply_run(run, body):
    for field in ("name", "external_id", "status", "conclusion", "started_at", "completed_at", "details_url"):
        if field in body:
            run[field] = body[field]
    if run.get("conclusion"):
        run["status"], run["completed_at"] = "completed", run["completed_at"] or now()
    if "output" in body:
        check_output(body["output"])
        run["annotations"] += body["output"].get("annotations") or []
        fields = {field: body["output"].get(field, run["output"][field]) for field in ("title", "summary", "text")}
        run["output"] = {**run["output"], **fields, "annotations_count": len(run["annotations"])}


@route("POST", "/check-runs", "checks: write")
def create_check_run(world, request, repo):
    body = request.json()
    if not body.get("name") or not body.get("head_sha"):
        raise invalid("name", "name and head_sha are needed")
    number = world.next_id()
    api = f"{request.origin}/repos/{repo}/check-runs/{number}"
    run = {
        "id": number, "node_id": f"CR_{number}", "head_sha": body["head_sha"], "url": api, "external_id": "",
        "html_url": f"https://github.com/{repo}/runs/{number}", "details_url": None, "status": "queued", "conclusion": None,
        "started_at": now(), "completed_at": None, "name": body["name"], "pull_requests": [], "annotations": [],
        "check_suite": {"id": 1}, "app": {"id": 15368, "slug": "github-actions"},
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": f"{api}/annotations"},
    }
    apply_run(run, body)
    world.check_runs.append(run)
    return 201, shown_run(run)


def run_of(world, number):
    for run in world.check_runs:
        if str(run["id"]) == number:
            return run
    raise Refusal(404, "Not Found")


@route("PATCH", "/check-runs/{id}", "checks: write")
def update_check_run(world, request, repo, number):
    run = run_of(world, number)
    apply_run(run, request.json())
    return 200, shown_run(run)


@route("GET", "/check-runs/{id}", "checks: read")
def get_check_run(world, request, repo, number):
    return 200, shown_run(run_of(world, number))


@route("GET", "/check-runs/{id}/annotations", "checks: read")
def list_annotations(world, request, repo, number):
    blob = f"https://github.com/{repo}/blob/main"
    empty = {"title": None, "raw_details": None, "start_column": None, "end_column": None}
    return 200, request.page([{**empty, "blob_href": f"{blob}/{note['path']}", **note} for note in run_of(world, number)["annotations"]])


@route("GET", "/commits/{ref}/check-runs", "checks: read")
def list_check_runs(world, request, repo, ref):
    runs = [run for run in world.check_runs if run["head_sha"] == ref]
    if name := request.query.get("check_name"):
        runs = [run for run in runs if run["name"] == name]
    if request.query.get("filter", "latest") == "latest":
        runs = list({run["name"]: run for run in runs}.values())
    return 200, {"total_count": len(runs), "check_runs": [shown_run(run) for run in request.page(runs)]}


@route("GET", "/issues/{number}/comments", "pull-requests: read")
def list_comments(world, request, repo, issue):
    return 200, request.page([comment for comment in world.comments if comment["issue"] == int(issue)])


def comment_body(request):
    body = request.json().get("body")
    if not isinstance(body, str) or not body.strip():
        raise invalid("body", "Body can't be blank")
    if len(body) > 65536:
        raise invalid("body", "Body is too long (maximum is 65536 characters)")
    return body


@route("POST", "/issues/{number}/comments", "pull-requests: write")
def create_comment(world, request, repo, issue):
    number = world.next_id()
    comment = {
        "id": number, "node_id": f"IC_{number}", "issue": int(issue), "body": comment_body(request), "user": request.user(),
        "url": f"{request.origin}/repos/{repo}/issues/comments/{number}", "created_at": now(), "updated_at": now(),
        "html_url": f"https://github.com/{repo}/pull/{issue}#issuecomment-{number}", "author_association": "NONE",
    }
    world.comments.append(comment)
    return 201, comment


def comment_of(world, number):
    for comment in world.comments:
        if str(comment["id"]) == number:
            return comment
    raise Refusal(404, "Not Found")


@route("PATCH", "/issues/comments/{id}", "pull-requests: write")
def update_comment(world, request, repo, number):
    comment = comment_of(world, number)
    comment["body"], comment["updated_at"] = comment_body(request), now()
    return 200, comment


@route("DELETE", "/issues/comments/{id}", "pull-requests: write")
def delete_comment(world, request, repo, number):
    world.comments.remove(comment_of(world, number))
    return 204, None


@route("GET", "/pulls", "pull-requests: read")
def list_pulls(world, request, repo):
    state, head = request.query.get("state", "open"), request.query.get("head")
    label = lambda pull: f"{pull['head']['repo']['full_name'].split('/')[0]}:{pull['head']['ref']}" if pull["head"].get("repo") else ""
    pulls = [pull for pull in world.settings["pulls"] if state in ("all", pull["state"])]
    return 200, request.page([pull for pull in pulls if head in (None, label(pull))])


@route("GET", "/pulls/{number}", "pull-requests: read")
def get_pull(world, request, repo, number):
    for pull in world.settings["pulls"]:
        if str(pull["number"]) == number:
            return 200, pull
    raise Refusal(404, "Not Found")


@route("GET", "/commits/{sha}/pulls", "pull-requests: read")
def pulls_of_commit(world, request, repo, sha):
    """As on GitHub, a fork's commit is not found among our own."""
    own = lambda pull: (pull["head"].get("repo") or {}).get("full_name") == repo
    return 200, request.page([pull for pull in world.settings["pulls"] if pull["head"]["sha"] == sha and own(pull)])


def shown_artifact(world, request, repo, artifact):
    api = f"{request.origin}/repos/{repo}/actions/artifacts/{artifact['id']}"
    run = {"id": int(artifact["run"]), "repository_id": 1, "head_repository_id": 1, "head_branch": "main", "head_sha": "0" * 40}
    return {
        "id": artifact["id"], "node_id": f"A_{artifact['id']}", "name": artifact["name"], "size_in_bytes": artifact["size"],
        "url": api, "archive_download_url": f"{api}/zip", "expired": False, "digest": artifact["digest"],
        "created_at": artifact["created_at"], "updated_at": artifact["created_at"], "expires_at": None,
        "workflow_run": {**run, **world.settings["runs"].get(artifact["run"], {})},
    }


def artifact_page(world, request, repo, artifacts):
    if name := request.query.get("name"):
        artifacts = [artifact for artifact in artifacts if artifact["name"] == name]
    artifacts = artifacts[::-1]
    page = [shown_artifact(world, request, repo, artifact) for artifact in request.page(artifacts)]
    return 200, {"total_count": len(artifacts), "artifacts": page}


@route("GET", "/actions/artifacts", "actions: read")
def list_all_artifacts(world, request, repo):
    return artifact_page(world, request, repo, world.visible_artifacts())


@route("GET", "/actions/runs/{id}/artifacts", "actions: read")
def list_artifacts(world, request, repo, run):
    return artifact_page(world, request, repo, [artifact for artifact in world.visible_artifacts() if artifact["run"] == run])


@route("GET", "/actions/artifacts/{id}/zip", "actions: read")
def download_artifact(world, request, repo, number):
    for artifact in world.artifacts:
        if str(artifact["id"]) == number and artifact["finished"]:
            request.answer_headers["Location"] = signed(world, artifact)
            return 302, None
    raise Refusal(410, "Artifact has expired")


@route("GET", "/actions/runs/{id}/jobs", "actions: read")
def list_jobs(world, request, repo, run):
    return 200, {"total_count": len(world.settings["jobs"]), "jobs": request.page(world.settings["jobs"])}


@route("GET", "/actions/runs/{id}/attempts/{n}/jobs", "actions: read")
def list_jobs_of_attempt(world, request, repo, run, attempt):
    return list_jobs(world, request, repo, run)


def rest(world, request):
    token = request.token()
    if not token:
        raise Refusal(401, "Requires authentication")
    settings = world.settings
    if settings["remaining"] <= 0:
        raise Refusal(403, "API rate limit exceeded for installation ID 1.")
    settings["remaining"] -= 1
    if request.path == "/user":
        if request.user()["type"] == "Bot":
            raise Refusal(403, INTEGRATION)
        return 200, request.user()
    for method, place, permission, function in ROUTES:
        if method == request.method and (match := place.match(request.path)):
            if permission in settings["denied"]:
                raise Refusal(403, INTEGRATION)
            return function(world, request, *map(unquote, match.groups()))
    answer = settings["answers"].get(f"{request.method} {request.path}")
    if answer is None:
        raise Refusal(404, "Not Found")
    return 200, answer


# The artifact service.

TWIRP = "/twirp/github.actions.results.api.v1.ArtifactService/"


class TwirpError(Refusal):
    def __init__(self, status, code, message):
        super().__init__(status, message)
        self.body = {"code": code, "msg": message}


def signed(world, artifact):
    return f"{world.blob_url}/artifacts/{artifact['id']}.zip?se=2099-01-01T00%3A00%3A00Z&sig=a%2Bsecret%3D"


def scope(token):
    """Run and job from the token, as GitHub reads them."""
    try:
        payload = token.split(".")[1]
        payload = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return next(item.split(":")[1:] for item in payload["scp"].split() if item.startswith("Actions.Results:"))
    except (IndexError, KeyError, StopIteration, ValueError):
        raise TwirpError(401, "unauthenticated", "the token has no scope of ours") from None


def twirp(world, request):
    method, body = request.path.removeprefix(TWIRP), request.json()
    run, job = scope(request.token())
    given = (body.get("workflow_run_backend_id"), body.get("workflow_job_run_backend_id"))
    if given[0] != run or (method in ("CreateArtifact", "FinalizeArtifact") and given[1] != job):
        raise TwirpError(403, "permission_denied", "the ids are not those of the token")
    own = [artifact for artifact in world.artifacts if artifact["backend"][0] == run]
    named = [artifact for artifact in own if artifact["name"] == body.get("name")]
    if method == "CreateArtifact":
        answer = create_artifact(world, run, job, body, named)
    elif method == "FinalizeArtifact":
        answer = finalize_artifact(world, body, named)
    elif method == "ListArtifacts":
        wanted = body.get("name_filter")
        shown = [artifact for artifact in world.visible_artifacts() if artifact in own and wanted in (None, artifact["name"])]
        fields = ("name", "created_at", "digest")
        answer = {"artifacts": [
            {"workflow_run_backend_id": artifact["backend"][0], "workflow_job_run_backend_id": artifact["backend"][1],
             "database_id": str(artifact["id"]), "size": str(artifact["size"]), **{field: artifact[field] for field in fields}}
            for artifact in shown
        ]}
    elif method == "GetSignedArtifactURL":
        found = [artifact for artifact in named if artifact["finished"] and tuple(artifact["backend"]) == given]
        if not found:
            raise TwirpError(404, "not_found", "artifact not found")
        answer = {"signed_url": signed(world, found[0])}
    else:
        raise TwirpError(404, "bad_route", f"no handler for {method}")
    return 200, camel(answer) if world.settings["camel"] else answer


def create_artifact(world, run, job, body, named):
    if body.get("version") not in (4, 7):
        raise TwirpError(400, "invalid_argument", "version must be 4 or 7")
    if not body.get("name") or re.search(r'[":<>|*?\r\n\\/]', body["name"]):
        raise TwirpError(400, "invalid_argument", "the name has a character that is not allowed")
    if named:
        raise TwirpError(409, "already_exists", "an artifact with this name already exists on the workflow run")
    number = "".join(filter(str.isdigit, run)) or "0"
    artifact = {
        "id": world.next_id(), "run": number, "backend": [run, job], "name": body["name"], "size": 0, "digest": None,
        "created_at": now(), "finished": False, "hidden": 0,
    }
    world.artifacts.append(artifact)
    return {"ok": True, "signed_upload_url": signed(world, artifact)}


def finalize_artifact(world, body, named):
    content = world.blobs.get(str(named[0]["id"])) if named else None
    if content is None or named[0]["finished"]:
        raise TwirpError(404, "not_found", "there is no upload of this name")
    if body.get("size") != str(len(content)):
        raise TwirpError(400, "invalid_argument", f"the size is {len(content)}, not {body.get('size')}")
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    if body.get("hash") not in (None, digest):
        raise TwirpError(400, "invalid_argument", "the hash is not that of the upload")
    named[0].update(size=len(content), digest=digest, finished=True, hidden=world.settings["lag"])
    return {"ok": True, "artifact_id": str(named[0]["id"])}


def camel(value):
    if isinstance(value, dict):
        return {re.sub(r"_(\w)", lambda match: match[1].upper(), key): camel(inner) for key, inner in value.items()}
    return [camel(inner) for inner in value] if isinstance(value, list) else value


# The blob store.


def blob(world, request):
    if "authorization" in request.headers:
        world.leaks.append(f"{request.method} {request.path}")
        raise Refusal(400, "a token has no business here")
    match = re.fullmatch(r"/artifacts/(\d+)\.zip", request.path)
    if not match or "sig" not in request.query:
        raise Refusal(403, "AuthenticationFailed")
    name, part = match[1], request.query.get("comp")
    if request.method == "GET":
        if name not in world.blobs:
            raise Refusal(404, "BlobNotFound")
        return 200, world.blobs[name]
    if request.method != "PUT" or "content-length" not in request.headers:
        raise Refusal(411, "MissingContentLengthHeader")
    if part == "block":
        number = base64.b64decode(request.query["blockid"], validate=True)
        if any(len(other) != len(number) for other in world.blocks.get(name, {})):
            raise Refusal(400, "InvalidBlobOrBlock")
        world.blocks.setdefault(name, {})[number] = request.content
    elif part == "blocklist":
        numbers = re.findall(rb"<(?:Latest|Uncommitted)>([^<]+)</", request.content)
        try:
            world.blobs[name] = b"".join(world.blocks[name][base64.b64decode(number)] for number in numbers)
        except KeyError:
            raise Refusal(400, "InvalidBlockList") from None
    elif request.headers.get("x-ms-blob-type") == "BlockBlob":
        world.blobs[name] = request.content
    else:
        raise Refusal(400, "InvalidHeaderValue: x-ms-blob-type")
    return 201, None


# Steering.


def steer(world, request):
    if request.path == "/_stub/state" and request.method == "PUT":
        given = request.json()
        if unknown := given.keys() - SETTINGS.keys():
            raise Refusal(400, f"no such setting: {', '.join(sorted(unknown))}")
        world.settings.update(given)
    elif request.path == "/_stub/faults" and request.method == "PUT":
        world.set_faults(request.json())
    elif request.method == "PUT" and (match := re.fullmatch(r"/_stub/artifacts/(\d+)/([^/]+)", request.path)):
        artifact = {
            "id": world.next_id(), "run": match[1], "backend": [f"run-{match[1]}", "job-0"], "name": unquote(match[2]),
            "size": len(request.content), "digest": "sha256:" + hashlib.sha256(request.content).hexdigest(),
            "created_at": now(), "finished": True, "hidden": world.settings["lag"],
        }
        world.blobs[str(artifact["id"])] = request.content
        world.artifacts.append(artifact)
    elif request.path != "/_stub/state":
        raise Refusal(404, "Not Found")
    return 200, world.state()


# HTTP.


class Request:
    def __init__(self, handler, content):
        parts = urlsplit(handler.path)
        self.method, self.path, self.query = handler.command, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers, self.content, self.target = handler.headers, content, handler.path
        self.origin, self.answer_headers = f"http://{handler.headers.get('host', 'localhost')}", {}

    def json(self):
        try:
            return json.loads(self.content)
        except ValueError:
            raise Refusal(400, "Problems parsing JSON") from None

    def token(self):
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() in ("bearer", "token") else ""

    def user(self):
        """A personal token is somebody's, every other one the workflow's."""
        personal = self.token().startswith("ghp_")
        return {"login": "octocat", "id": 1, "type": "User"} if personal else {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}

    def page(self, items):
        size, page = min(int(self.query.get("per_page", 30)), 100), int(self.query.get("page", 1))
        if len(items) > page * size:
            others = "&".join(f"{quote(key)}={quote(value)}" for key, value in self.query.items() if key != "page")
            self.answer_headers["Link"] = f'<{self.origin}{self.path}?{others}&page={page + 1}>; rel="next"'
        return items[(page - 1) * size : page * size]


def validate(world, request):
    """Asks Prism whether GitHub's description allows this request."""
    headers = {key: value for key, value in request.headers.items() if key.lower() not in ("host", "content-length", "accept-encoding")}
    # GitHub recommends this type, its description names the plain one.
    headers = {key: value.replace("application/vnd.github+json", "application/json") for key, value in headers.items()}
    content = request.content or None
    # A name of a branch has slashes, and Prism knows no parameter of several segments.
    target = re.sub(r"(/git/refs?/)([^?]+)", lambda match: match[1] + quote(unquote(match[2]), safe=""), request.target)
    forwarded = urllib.request.Request(world.proxy + target, data=content, headers=headers, method=request.method)
    try:
        with NO_REDIRECT.open(forwarded, timeout=30) as answer:
            status, said, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, said, text = error.code, error.headers, error.read()
    problems = [problem for problem in json.loads(said.get("sl-violations") or "[]") if problem["location"][:1] == ["request"]]
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    if isinstance(body, dict) and "stoplight.io/prism/errors" in str(body.get("type")):
        # Prism cannot make up some answers; that says nothing about the request.
        if status < 500:
            problems.append(body)
    if problems:
        world.note("violations.jsonl", {"method": request.method, "path": request.target, "status": status, "problems": problems})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


NO_REDIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def handler_of(world, is_blob):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self):
            length = self.headers.get("content-length")
            request = Request(self, self.rfile.read(int(length)) if length else b"")
            if not is_blob and request.path.startswith("/_stub/"):
                with world.lock:
                    return self.answer(request, *self.outcome(steer, request))
            # The query of a signed URL is a secret, as in a log of GitHub's.
            noted = {"method": request.method, "path": request.path if is_blob else request.target, "blob": is_blob}
            api = not is_blob and not request.path.startswith(TWIRP)
            if api and world.proxy:
                validate(world, request)
            fault = world.fault(f"{request.method} {request.target}")
            if fault and fault.delay:
                time.sleep(fault.delay)
            fails = fault and (fault.reset or fault.status)
            if not fails or fault.carried_out:
                with world.lock:
                    status, body = self.outcome(blob if is_blob else rest if api else twirp, request)
            if fails and not fault.reset:
                request.answer_headers = dict(fault.headers)
                status, body = fault.status, {"message": fault.message}
            world.note("requests.jsonl", {**noted, "status": "reset" if fails and fault.reset else status})
            if fails and fault.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return None
            if api:
                settings = world.settings
                limits = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": str(max(settings["remaining"], 0)),
                          "x-ratelimit-reset": str(int(time.time()) + settings["reset"])}
                request.answer_headers = {**limits, **request.answer_headers}
            return self.answer(request, status, body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request

        def outcome(self, function, request):
            try:
                return function(world, request)
            except Refusal as refusal:
                request.answer_headers = refusal.headers
                return refusal.status, refusal.body

        def answer(self, request, status, body):
            raw = isinstance(body, bytes)
            content = body if raw else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/zip" if raw else "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for name, value in request.answer_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def finish(self):
            try:
                super().finish()
            except (OSError, ValueError):
                pass  # the connection was reset on purpose

        def log_message(self, *_):
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        error = __import__("sys").exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--blob-port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--openapi-proxy", default="", metavar="URL")
    options = parser.parse_args()
    world = World(options.state, f"http://127.0.0.1:{options.blob_port}", options.openapi_proxy.rstrip("/"))
    blobs = Server(("127.0.0.1", options.blob_port), handler_of(world, is_blob=True))
    threading.Thread(target=blobs.serve_forever, daemon=True).start()
    api = Server(("127.0.0.1", options.port), handler_of(world, is_blob=False))
    print(f"listening on {options.port}", flush=True)
    try:
        api.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
