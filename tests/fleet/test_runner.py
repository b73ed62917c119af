"""`.github/runner`: its compose file and its entrypoint, with doubles of the two programs that GitHub's image has."""

import json
import os
import shutil
import subprocess

import fleets
import pytest
from fleets import APP, LABEL, docker, wait_until

RUNNER = fleets.REPOSITORY / ".github/runner"
TOKEN = "github_pat_8f14e45fceea167a5a36"
LOG = 'log() { echo "$*" >>"$WORK/$(hostname).log"; }\n'
CONFIG = f"""#!/bin/bash
{LOG}
log "config $* token=$ACTIONS_RUNNER_INPUT_TOKEN pat=$ACTIONS_RUNNER_INPUT_PAT"
touch /home/runner/.runner
"""
RUN = f"""#!/bin/bash
{LOG}
log "run in $(ls -A "$WORK/$(hostname)" | wc -l) files"
env >"$WORK/$(hostname).env"
touch "$WORK/$(hostname)/of-a-job"
python3 -c "import socket; socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')" && log "the engine answers"
trap 'log stopping; kill %1; exit 0' TERM
if [ -e "$WORK/one-job" ]; then rm "$WORK/one-job"; exit 0; fi
sleep 600 & wait
"""


class Runners:
    def __init__(self, folder):
        self.name = f"runner-{os.getpid()}-{folder.name}".lower()
        self.work = folder / "work"
        shutil.copytree(RUNNER, folder, dirs_exist_ok=True)
        doubles = {"config.sh": CONFIG, "run.sh": RUN}
        for name, text in doubles.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        more = {"labels": {LABEL: self.name}, "volumes": [f"./{name}:/home/runner/{name}:ro" for name in doubles]}
        (folder / "compose.override.yaml").write_text(json.dumps({"services": {"runner": more}}))
        self.folder = folder
        self.env = os.environ | {"TOKEN": TOKEN, "REPO": "owner/name", "IMAGE": APP, "WORK": str(self.work), "PLUGINS": str(folder)}

    def compose(self, *words, check=True):
        command = ["docker", "compose", "--project-name", self.name, *words]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, done.stderr
        return done

    def logs(self, number=1):
        """By host name what the doubles saw, once `number` runners work."""
        files = wait_until(lambda: [file for file in self.work.glob("*.log") if "the engine" in file.read_text()][number - 1 :] and [*self.work.glob("*.log")], "a runner")
        return {file.stem: file.read_text().splitlines() for file in files}


@pytest.fixture
def runners(tmp_path):
    runners = Runners(tmp_path)
    yield runners
    runners.compose("down", "--timeout", "2", check=False)
    assert not docker("ps", "-aq", "--filter", f"label={LABEL}={runners.name}")


def test_a_fleet_finds_the_work_folder_where_the_job_has_it(runners):
    config = json.loads(runners.compose("config", "--format", "json").stdout)
    service = config["services"]["runner"]
    binds = {volume["target"]: volume["source"] for volume in service["volumes"]}
    assert binds[str(runners.work)] == str(runners.work) == service["environment"]["WORK"]
    assert binds["/var/run/docker.sock"] == "/var/run/docker.sock"
    assert service["environment"]["EPHEMERAL"] == "true"


@pytest.mark.parametrize("missing", ["TOKEN", "REPO"])
def test_what_was_forgotten_is_named(runners, missing):
    del runners.env[missing]
    refused = runners.compose("config", check=False)
    assert refused.returncode and missing in refused.stderr
    runners.env[missing] = "x"


def test_two_runners_register_each_for_one_job_and_go_off_the_list(runners):
    runners.compose("up", "--detach", "--scale", "runner=2")
    logs = runners.logs(2)
    assert len(logs) == 2
    for name, (registered, run, answers) in logs.items():
        options = registered.split()
        assert options[:2] == ["config", "--unattended"] and "--ephemeral" in options and "--labels" not in options
        for option, value in {"--url": "https://github.com/owner/name", "--name": name, "--work": f"{runners.work}/{name}"}.items():
            assert options[options.index(option) + 1] == value
        assert options[-2:] == ["token=", f"pat={TOKEN}"] and registered.count(TOKEN) == 1
        assert (run, answers) == ("run in 0 files", "the engine answers")
        assert TOKEN not in (runners.work / f"{name}.env").read_text()
        assert (runners.work / name / "of-a-job").exists(), "not the same path outside"
    runners.compose("stop", "--timeout", "10")
    for log in runners.logs(2).values():
        assert log[3] == "stopping" and log[4].startswith("config remove ") and len(log) == 5
    assert {state["ExitCode"] for state in states(runners)} == {0}


def states(runners):
    return [json.loads(docker("inspect", "--format", "{{json .State}}", id)) for id in runners.compose("ps", "-aq").stdout.split()]


def test_after_its_job_a_runner_starts_anew_without_the_files_of_the_last(runners):
    runners.work.mkdir()
    (runners.work / "one-job").touch()
    runners.env |= {"TOKEN": "AREGISTRATIONTOKEN", "REPO": "https://github.example/org", "LABELS": "fleets,big"}
    runners.compose("up", "--detach")
    (log,) = wait_until(lambda: [log for log in runners.logs().values() if len(log) == 6], "a second job")
    first, *_ = registered = [line for line in log if line.startswith("config")]
    assert len(registered) == 2 and registered[0] == registered[1]
    assert "--url https://github.example/org " in first and "--labels fleets,big" in first and first.endswith("token=AREGISTRATIONTOKEN pat=")
    assert [line for line in log if line.startswith("run")] == ["run in 0 files"] * 2


@pytest.mark.parametrize("variable, value", [("WORK", "relative"), ("EPHEMERAL", "maybe")])
def test_a_setting_that_makes_no_sense_ends_it(tmp_path, variable, value):
    env = {"PATH": os.environ["PATH"], "TOKEN": TOKEN, "REPO": "a/b", "WORK": str(tmp_path), variable: value}
    done = subprocess.run([RUNNER / "entrypoint"], env=env, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and f"{variable}={value}" in done.stderr
