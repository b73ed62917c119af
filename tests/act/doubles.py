"""GitHub as the end-to-end tests see it: the stub of its API, act, and a runner's own way with a container action."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import yaml

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CACHE = Path(os.environ.get("PARALLEL_PYTEST_CACHE", Path.home() / ".cache/parallel-pytest-tests"))
ACTION_IMAGE = "parallel-pytest:test"
RUNNER_IMAGE = "parallel-pytest-test/runner"
HEAD_SHA = "8f0c1d2e3b4a59687766554433221100ffeeddcc"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def action() -> dict:
    """The repository's own action.yml, with the image that was built from this checkout."""
    metadata = yaml.safe_load((REPOSITORY / "action.yml").read_text())
    metadata["runs"]["image"] = f"docker://{ACTION_IMAGE}"
    return metadata


class Prism:
    """Prism, which holds every request against GitHub's own description of its API."""

    def __init__(self):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [REPOSITORY / "tests/stub/run_prism", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if "listening" not in self.process.stdout.readline():
            raise RuntimeError("prism did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Stub:
    """The stub of GitHub's REST API, alone in a process of its own."""

    def __init__(self, state: Path, prism: Prism):
        state.mkdir(parents=True, exist_ok=True)
        self.state_folder = state
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, REPOSITORY / "tests/stub/github.py", "--port", str(port)]
        command += ["--blob-port", str(free_port()), "--state", state, "--openapi-proxy", prism.url]
        self.log = (state / "stub.log").open("w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(100):
            try:
                self.state()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.stop()
        raise RuntimeError("the stub did not start: " + (state / "stub.log").read_text())

    def state(self) -> dict:
        with urllib.request.urlopen(f"{self.url}/_stub/state", timeout=10) as answer:
            return json.load(answer)

    def violations(self) -> str:
        """What GitHub's OpenAPI description did not allow, one JSON object a line."""
        file = self.state_folder / "violations.jsonl"
        return file.read_text() if file.exists() else ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.log.close()


def pull_request_event(repository: str) -> dict:
    """The part of a pull_request payload that an action reads."""
    owner, name = repository.split("/")
    full = {"name": name, "full_name": repository, "owner": {"login": owner}, "default_branch": "main"}
    return {
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "number": 7,
            "head": {"sha": HEAD_SHA, "ref": "feature", "repo": full},
            "base": {"sha": "0" * 40, "ref": "main", "repo": full},
        },
        "repository": full,
    }


COMPOSE = """
services:
  app:
    image: parallel-pytest-test/runner
    working_dir: /code
    volumes: [".:/code"]
    depends_on: [cache]
  cache:
    image: parallel-pytest-test/runner
    command: python3 -m http.server 6379
    expose: [6379]
"""


def checkout(suite: str, workflow: str, at: Path) -> Path:
    """A fresh git checkout of one of the suites beside this file, with the action inside, as `uses: ./` has it."""
    shutil.copytree(HERE / "suites" / suite, at)
    for file, text in {
        "docker-compose.yml": COMPOSE,
        ".github/workflows/tests.yml": (HERE / workflow).read_text(),
        ".github/parallel-pytest/action.yml": yaml.safe_dump(action(), sort_keys=False),
    }.items():
        (at / file).parent.mkdir(parents=True, exist_ok=True)
        (at / file).write_text(text)
    git = ["git", "-C", at, "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", suite]):
        subprocess.run([*git, *command], check=True)
    return at


class Act:
    """One run of the whole workflow in act, finished when the constructor returns.

    Where act is not GitHub: the workspace has the same path inside the containers as outside, RUNNER_TEMP is each container's
    own /tmp, there is no RUNNER_WORKSPACE; a post step gets no STATE_* and of its INPUT_* only those that the workflow gave;
    the artifact server keeps nothing of a single PUT, lets a name be written twice, and has no REST side.
    """

    def __init__(self, suite: str, home: Path, api: str, workflow: str = "workflow.yml", repository: str = "octo/suite"):
        self.workspace = checkout(suite, workflow, home / "suite")
        self.artifacts = home / "artifacts"
        event = home / "event.json"
        event.write_text(json.dumps(pull_request_event(repository)))
        command = [CACHE / "venvs/act/bin/act", "pull_request", "--eventpath", event]
        command += ["--platform", f"ubuntu-latest={RUNNER_IMAGE}", "--pull=false", "--rm", "--no-cache-server"]
        command += ["--artifact-server-path", self.artifacts, "--artifact-server-addr", "127.0.0.1"]
        command += ["--artifact-server-port", str(free_port()), "--secret", "GITHUB_TOKEN=token-of-the-run"]
        command += ["--env", f"GITHUB_API_URL={api}", "--env", f"GITHUB_REPOSITORY={repository}"]
        if workflow == "fleets.yml":
            # What a fleet mounts is a folder of the host.
            command += ["--bind"]
        # An empty settings folder: act asks a question on its first run and reads .actrc on the later ones.
        environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config"), "HOME": str(home)}
        (home / "config/act").mkdir(parents=True)
        (home / "config/act/actrc").touch()
        done = subprocess.run(
            list(map(str, command)), cwd=self.workspace, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
        )
        self.exit, self.log = done.returncode, done.stdout
        (home / "act.log").write_text(self.log)

    def job(self, name: str) -> str:
        """What one job printed; act writes the job's name at the start of each line."""
        return "\n".join(line for line in self.log.splitlines() if line.startswith(f"[tests/{name}]"))

    def outputs(self, job: str) -> dict:
        marker = "::set-output:: "
        lines = (line.split(marker, 1)[1] for line in self.job(job).splitlines() if marker in line)
        return dict(line.split("=", 1) for line in lines)

    def artifact_names(self) -> list:
        return sorted(file.parent.name for file in self.artifacts.glob("*/*/*.zip"))


class Runner:
    """One job on GitHub's own runner, as far as a container action can tell: the docker line, the mounts, the rewritten paths
    and the file commands of actions/runner 2.336 (ContainerActionHandler.cs, ContainerInfo.cs, FileCommandManager.cs)."""

    USER = 1001
    MOUNTS = {"_temp/_github_home": "home", "_temp/_github_workflow": "workflow",
              "_temp/_runner_file_commands": "file_commands", "_temp": "runner_temp"}

    def __init__(self, home: Path, suite: str, api: str, repository: str = "octo/suite", results: str = "", run_id: int = 1):
        self.home, self.suite, self.metadata = home, suite, action()
        self.environment, self.path = {}, []
        name = repository.split("/")[1]
        self.workspace = home / name / name
        for folder in self.MOUNTS:
            (home / folder).mkdir(parents=True, exist_ok=True)
        shutil.copytree(HERE / "suites" / suite, self.workspace)
        (home / "_temp/_github_workflow/event.json").write_text(json.dumps(pull_request_event(repository)))
        self.own(home)
        mounts = {str(self.workspace): "/github/workspace"}
        mounts |= {str(home / folder): f"/github/{inside}" for folder, inside in self.MOUNTS.items()}
        self.mounts = mounts
        claims = base64.urlsafe_b64encode(json.dumps({"scp": f"Actions.Results:run-{run_id}:job-{uuid.uuid4()}"}).encode())
        self.given = {
            "GITHUB_API_URL": api, "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": repository,
            "GITHUB_REPOSITORY_OWNER": repository.split("/")[0], "GITHUB_RUN_ID": str(run_id), "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_NUMBER": "1", "GITHUB_SHA": "1" * 40, "GITHUB_REF": "refs/pull/7/merge", "GITHUB_WORKFLOW": "tests",
            "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(home / "_temp/_github_workflow/event.json"),
            "GITHUB_WORKSPACE": str(self.workspace), "GITHUB_JOB": "test", "GITHUB_RETENTION_DAYS": "90",
            "RUNNER_TEMP": str(home / "_temp"), "RUNNER_OS": "Linux", "RUNNER_ARCH": "X64",
            "RUNNER_TOOL_CACHE": "/opt/hostedtoolcache", "HOME": "/github/home",
            "ACTIONS_RUNTIME_URL": f"{results}/", "ACTIONS_RESULTS_URL": f"{results}/",
            "ACTIONS_RUNTIME_TOKEN": f"e30.{claims.decode().rstrip('=')}.signature",
        }
        # The one variable that is rewritten nowhere.
        self.untouched = {"RUNNER_WORKSPACE": str(self.workspace.parent)}

    def own(self, *paths: Path):
        for path in paths:
            for entry in [path, *path.rglob("*")]:
                os.chown(entry, self.USER, self.USER, follow_symlinks=False)

    def inside(self, value: str) -> str:
        """A value that is, or starts with, a mounted folder becomes the container's; any other stays as it is."""
        for outside, within in self.mounts.items():
            if value == outside or value.startswith(f"{outside}/"):
                return within + value[len(outside):]
        return value

    def inputs(self, given: dict) -> dict:
        contexts = {"${{ github.token }}": "token-of-the-run", "${{ github.workspace }}": str(self.workspace),
                    "${{ runner.temp }}": str(self.home / "_temp")}
        values = {}
        for name, declared in self.metadata["inputs"].items():
            value = given.get(name, str(declared.get("default", "")))
            for expression, text in contexts.items():
                value = value.replace(expression, text)
            values[f"INPUT_{name.replace(' ', '_').upper()}"] = value
        return values

    def uses(self, **given: str) -> "Step":
        """A step with `uses:` of this action; hyphens of the inputs are written as underscores."""
        step = Step(self, {name.replace("_", "-"): value for name, value in given.items()})
        step.enter(self.metadata["runs"]["entrypoint"])
        return step

    def run(self, script: str) -> subprocess.CompletedProcess:
        """A step with `run:`, as the runner's user, with what earlier steps left in GITHUB_ENV and GITHUB_PATH."""
        variables = {**self.given, **self.untouched, **self.environment, "CI": "true", "HOME": str(self.home)}
        # No runtime token: `run:` steps do not get it.
        options = [f"--env={key}={value}" for key, value in variables.items() if not key.startswith("ACTIONS_")]
        path = "".join(f"{entry}:" for entry in reversed(self.path))
        return subprocess.run(
            ["docker", "run", "--rm", "--network", "none", "--user", f"{self.USER}:{self.USER}", *options,
             "--volume", f"{self.home}:{self.home}", "--workdir", self.workspace, RUNNER_IMAGE,
             "bash", "-e", "-c", f'export PATH="{path}$PATH"\n{script}'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )


class Step:
    """One step with `uses:`; what it wrote to the runner's files is in `outputs`, `summary` and `state`."""

    def __init__(self, runner: Runner, given: dict):
        self.runner, self.given = runner, given
        self.outputs, self.state, self.summary, self.log, self.exit = {}, {}, "", "", None

    def post(self) -> "Step":
        step = Step(self.runner, self.given)
        step.state = self.state
        step.enter(self.runner.metadata["runs"]["post-entrypoint"])
        return step

    def enter(self, entrypoint: str):
        runner, tag = self.runner, uuid.uuid4().hex
        commands = runner.home / "_temp/_runner_file_commands"
        names = {"GITHUB_OUTPUT": "set_output", "GITHUB_ENV": "set_env", "GITHUB_PATH": "add_path",
                 "GITHUB_STATE": "save_state", "GITHUB_STEP_SUMMARY": "step_summary"}
        files = {variable: commands / f"{name}_{tag}" for variable, name in names.items()}
        for file in files.values():
            file.touch(mode=0o644)
            runner.own(file)
        values = {**runner.environment, **runner.given, **runner.inputs(self.given)}
        values |= {variable: str(file) for variable, file in files.items()}
        values |= {f"STATE_{key}": value for key, value in self.state.items()}
        values = {key: runner.inside(value) for key, value in values.items()} | runner.untouched
        line = ["docker", "run", "--name", f"parallelpytesttest_{tag[:6]}", "--label", tag[:6]]
        line += ["--workdir", "/github/workspace", "--rm"]
        for key in values:
            line += ["-e", key]
        line += ["-e", "GITHUB_ACTIONS=true", "-e", "CI=true", "--entrypoint", entrypoint]
        # A job's network; here the host's, because the stub listens on loopback only.
        line += ["--network", "host", "-v", "/var/run/docker.sock:/var/run/docker.sock"]
        for outside, within in runner.mounts.items():
            line += ["-v", f"{outside}:{within}"]
        done = subprocess.run(
            [*line, ACTION_IMAGE], env={"PATH": os.environ["PATH"], **values}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )
        self.exit, self.log = done.returncode, done.stdout
        self.outputs = key_values(files["GITHUB_OUTPUT"])
        self.state |= key_values(files["GITHUB_STATE"])
        self.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        runner.environment |= key_values(files["GITHUB_ENV"])
        runner.path += files["GITHUB_PATH"].read_text().split()


def key_values(file: Path) -> dict:
    """`name=value` and `name<<END … END`, as strict as the runner, which fails the step on anything else."""
    found, lines = {}, iter(file.read_text().split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, end, body = line[:heredoc], line[heredoc + 2:], []
            for inner in lines:
                if inner == end:
                    break
                body.append(inner)
            else:
                raise ValueError(f"{file.name}: no closing line {end} for {name}")
            found[name] = "\n".join(body)
        elif equals > 0:
            found[line[:equals]] = line[equals + 1:]
        else:
            raise ValueError(f"{file.name}: neither name=value nor name<<END: {line!r}")
    return found
