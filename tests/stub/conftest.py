"""The stub and Prism, each alone in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("PARALLEL_PYTEST_CACHE", Path.home() / ".cache/parallel-pytest-tests"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(command):
    """The process, once it has said that it listens."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert "listening" in process.stdout.readline(), command
    return process


def ended(process):
    process.terminate()
    process.wait(10)
    process.stdout.close()


class Stub:
    def __init__(self, folder, proxy=""):
        port, blob_port = free_port(), free_port()
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        command = [sys.executable, HERE / "github.py", "--port", port, "--blob-port", blob_port, "--state", folder]
        self.process = started([*command, "--openapi-proxy", proxy] if proxy else command)

    def send(self, method, place, body=None, token="token-of-the-run", **headers):
        """Status, headers and JSON (bytes from the blob store) of an answer; redirects are not followed."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        headers.setdefault("Content-Type", "application/json")
        url = place if place.startswith("http") else self.url + place
        request = urllib.request.Request(url, data=content, headers=headers, method=method)
        try:
            answer = NO_REDIRECT.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
        is_json = answer.headers["content-type"].startswith("application/json")
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=json.loads(text) if is_json and text else text)

    def lines(self, file):
        path = self.folder / file
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


NO_REDIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


@pytest.fixture
def stub(tmp_path):
    stub = Stub(tmp_path)
    yield stub
    ended(stub.process)


@pytest.fixture(scope="session")
def prism():
    if not (CACHE / "prism/wanted").exists():
        pytest.skip("prism is not installed: run tests/setup/prism")
    port = free_port()
    process = started([HERE / "run_prism", port])
    yield f"http://127.0.0.1:{port}"
    ended(process)


@pytest.fixture
def validated(tmp_path, prism):
    """A stub whose requests GitHub's own description judges."""
    stub = Stub(tmp_path, prism)
    yield stub
    ended(stub.process)
