"""What goes wrong with containers: the culprit is named, nothing is left, what finished is in the result, nothing is green."""

import fcntl
import json
import os
import signal
import subprocess
import time

import fleets
import pytest
from fleets import APP, INTERRUPTED, LOST, OUTSIDE, POSTGRES, REDIS, USAGE, docker, wait_until

QUICK = "def test_quick():\n    pass\n"
# A cancelled job of GitHub has 7.5 s from SIGINT to SIGTERM and 2.5 s more.
ALLOWED = 10
# The first step ends, the second one says so and then waits for what the fault does to it. One function, so that one shard has it.
MID_TEST = """
    import socket, time, pytest

    @pytest.mark.parametrize("step", ["first", "running", "never"])
    def test_it(step):
        if step == "running":
            open('/code/started', 'w').write(socket.gethostname())
            {what}
"""
SLEEPS = MID_TEST.format(what="time.sleep(600)")
NEVER = {"image": REDIS, "command": ["sh", "-c", "echo not today; exec sleep 600"]}
NEVER_HEALTHY = {**NEVER, "healthcheck": {"test": ["CMD", "false"], "interval": "500ms", "retries": 1000}}


@pytest.fixture
def mid_test(project):
    """Two shards with a sidecar each; one of them is in the middle of its test."""
    project.compose({}, redis={"image": REDIS}).write(test_ends=SLEEPS, test_other=QUICK)
    process = project.start()
    wait_for_mid_test(project, process)
    yield project, process
    process.kill()


def wait_for_mid_test(project, process):
    """One shard has done its test, the other one is in the middle; returns the id of its container."""
    project.wait_for_file("started", process)
    running = wait_until(lambda: (project.folder / "started").read_text(), "the container's name")
    wait_until(lambda: all(app.ended < float("inf") or app.id.startswith(running) for app in project.of_service("app")), "the other shard")
    return running


def assert_first_and_other_are_kept(project):
    assert project.result["verdict"] == "red"
    assert project.outcomes == {
        "test_ends.py::test_it[first]": "passed",
        "test_ends.py::test_it[running]": "lost",
        "test_ends.py::test_it[never]": "lost",
        "test_other.py::test_quick": "passed",
    }


# Sidecars.


@pytest.mark.parametrize(
    "sidecar",
    [
        NEVER_HEALTHY,
        {**NEVER, "image": POSTGRES, "entrypoint": ["sh"], "command": ["-c", "echo not today; exec sleep 600"]},
        {"image": POSTGRES, "entrypoint": ["sh", "-c", "echo not today; exec postgres-entrypoint -c listen_addresses=127.0.0.1"]},
    ],
    ids=["never healthy", "never listens", "listens only to itself"],
)
def test_a_database_that_never_accepts(project, sidecar):
    project.compose({}, db=sidecar).write(test_a=QUICK, test_b=QUICK)
    began = time.monotonic()
    assert project.local(flags=("--wait-timeout", "3s")) == OUTSIDE, project.output
    assert time.monotonic() - began < 50
    project.line_with("db", "3")
    assert project.result["verdict"] == "red"
    project.line_with("not today")


def test_what_finished_before_an_environment_failed_counts_and_the_rest_is_lost(project):
    """One shard has its tests done while the other one's database is still not there."""
    late = {"image": APP, "command": ["sh", "-c", "mkdir /code/first || exec sleep 600; exec python3 -m http.server 5432"], "volumes": [".:/code"]}
    project.compose({}, db=late).write(test_a=QUICK, test_b=QUICK)
    assert project.local(flags=("--wait-timeout", "5s", "--wait-for", "db:5432")) == LOST, project.output
    assert sorted(project.outcomes.values()) == ["passed"] or sorted(project.outcomes.values()) == ["lost", "passed"]
    project.line_with("db", "5")


def test_a_sidecar_that_ends_before_it_was_ready(project):
    ends = {"image": POSTGRES, "entrypoint": ["sh", "-c", "echo no room on the disk; exit 41"]}
    project.compose({}, db=ends).write(test_a=QUICK, test_b=QUICK)
    began = time.monotonic()
    assert project.local(flags=("--wait-timeout", "60s")) == OUTSIDE, project.output
    assert time.monotonic() - began < 50, "it was waited for although it had ended"
    project.line_with("db", "41")
    project.line_with("no room on the disk")


def test_a_cache_that_dies_in_the_middle_of_the_tests(project):
    dies = {"image": REDIS, "command": ["sh", "-c", "redis-server --protected-mode no --save '' & sleep 5; echo out of luck; kill -9 $!; exit 137"]}
    dies["command"][2] = dies["command"][2].replace("$!", "$$!")
    project.compose({}, redis=dies).write(test_ends=SLEEPS, test_other=QUICK)
    assert project.local() == LOST, project.output
    assert_first_and_other_are_kept(project)
    project.line_with("redis", "137")
    project.line_with("out of luck")


# Compose and the engine.


def test_an_image_that_is_not_there(project):
    project.compose({}, db={"image": "parallel-pytest-test/no-such-image:1"}).write(test_a=QUICK, test_b=QUICK)
    assert project.local() == OUTSIDE, project.output
    project.line_with("no-such-image")


@pytest.mark.parametrize(
    "text",
    ["services:\n  app:\n   image: x\n  - wrong\n", "services:\n  app:\n    imagee: x\n", "services: {app: {image: '${MISSING:?say which image}'}}\n"],
    ids=["no YAML", "unknown key", "missing variable"],
)
def test_an_error_in_the_compose_file_is_shown_as_compose_says_it(project, text):
    (project.folder / "docker-compose.yml").write_text(text)
    project.write(test_a=QUICK)
    words = subprocess.run(["docker", "compose", "config"], cwd=project.folder, env=project.env, capture_output=True, text=True).stderr
    assert project.local() in (USAGE, OUTSIDE), project.output
    said = [line for line in words.splitlines() if "obsolete" not in line][-1]
    assert said.strip() and said in project.output, f"compose says {said!r}, we say\n{project.output}"


def test_a_service_that_does_not_exist(project):
    project.compose({}, cache={"image": REDIS}).write(test_a=QUICK)
    process = project.launch("local", "--shards", "2", "--compose-service", "appp", "--", "pytest")
    assert project.finish(process) == USAGE, project.output
    project.line_with("appp", "app", "cache")


def test_a_compose_file_that_does_not_exist(project):
    project.write(test_a=QUICK)
    assert project.local(flags=("--compose-file", "no-such-file.yml")) in (USAGE, OUTSIDE), project.output
    project.line_with("no-such-file.yml")


def test_no_compose_file_at_all(project):
    project.write(test_a=QUICK)
    process = project.launch("local", "--shards", "2", "--compose-service", "app", "--", "pytest")
    assert project.finish(process) in (USAGE, OUTSIDE), project.output
    project.line_with("compose", "file")


def test_a_program_that_the_image_has_not(project):
    project.write(test_a=QUICK, test_b=QUICK)
    assert project.local("no-such-program") in (USAGE, OUTSIDE, LOST), project.output
    project.line_with("no-such-program")


def test_an_app_that_is_killed_by_its_memory_limit(project):
    what = "list(bytearray(b'x' * (64 << 20)) for _ in iter(int, 1))"
    app = {"mem_limit": "256m", "memswap_limit": "256m"}
    project.compose(app, redis={"image": REDIS}).write(test_ends=MID_TEST.format(what=f"x = {what}"), test_other=QUICK)
    assert project.local() == LOST, project.output
    assert_first_and_other_are_kept(project)
    project.line_with("memory")
    project.line_with("test_ends.py::test_it[running]")


def test_a_sidecar_that_is_killed_by_its_memory_limit(project):
    """Once the tests run."""
    eats = "import os, time\nwhile not os.path.exists('/code/started'): time.sleep(0.1)\nx = [bytearray(b'x' * (16 << 20)) for _ in iter(int, 1)]"
    eater = {"image": APP, "command": ["python3", "-c", eats], "volumes": [".:/code"], "mem_limit": "64m", "memswap_limit": "64m"}
    project.compose({}, eater=eater).write(test_ends=SLEEPS, test_other=QUICK)
    assert project.local() == LOST, project.output
    project.line_with("eater was killed by its memory limit")
    assert project.outcomes["test_ends.py::test_it[running]"] == "lost"


@pytest.mark.parametrize("how", [["kill"], ["rm", "-fv"]], ids=["killed", "removed"])
def test_an_app_that_somebody_ends(mid_test, how):
    project, process = mid_test
    docker(*how, (project.folder / "started").read_text())
    assert project.finish(process) == LOST, project.output
    assert_first_and_other_are_kept(project)
    # A container that is being removed was killed a moment before.
    project.line_with("shard", "app", "somebody")


@pytest.fixture
def daemon(monkeypatch):
    # One at a time on a machine: they share their images.
    with open(fleets.CACHE / "own-engine.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        daemon = fleets.Daemon()
        try:
            daemon.add_images(APP, REDIS)
            monkeypatch.setenv("DOCKER_HOST", daemon.host)
            yield daemon
        finally:
            daemon.remove()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_daemon_ends_in_the_middle_of_the_tests(daemon, tmp_path, number):
    """Stopped, it takes the containers along; killed, it leaves them, and the next run finds them."""
    engine = fleets.Engine()
    project = fleets.Project(tmp_path, engine)
    project.compose({}, redis={"image": REDIS}).write(test_ends=SLEEPS, test_other=QUICK)
    process = project.start()
    wait_for_mid_test(project, process)
    daemon.stop(number)
    began = time.monotonic()
    assert project.finish(process, leaves_nothing=False) == LOST, project.output
    assert time.monotonic() - began < 50
    assert_first_and_other_are_kept(project)
    project.line_with("docker daemon")
    engine.stop()
    daemon.start()
    project.write(test_ends=QUICK)
    assert project.local() == fleets.GREEN, project.output


def test_the_daemon_goes_away_and_the_next_run_sweeps(project):
    proxy = fleets.Proxy(project.home)
    project.env["DOCKER_HOST"] = f"unix://{proxy.path}"
    project.compose({}, redis={"image": REDIS}).write(test_ends=SLEEPS, test_other=QUICK)
    process = project.start()
    wait_for_mid_test(project, process)
    proxy.stop()
    began = time.monotonic()
    assert project.finish(process, leaves_nothing=False) == LOST, project.output
    assert time.monotonic() - began < 50
    project.line_with("docker daemon")
    assert_first_and_other_are_kept(project)
    left = set(project.running())
    assert left, "the engine behind the proxy still ran them"
    proxy.start()
    project.write(test_ends=QUICK)
    assert project.local() == fleets.GREEN, project.output
    proxy.stop()


def test_no_daemon_at_all(project):
    project.env["DOCKER_HOST"] = f"unix://{project.home}/nobody.sock"
    project.write(test_a=QUICK)
    assert project.local() == OUTSIDE, project.output
    project.line_with("docker")


@pytest.fixture
def little_room(project):
    """The folder of the run has room for the program, and for a megabyte more."""
    folder = project.folder / ".parallel-pytest"
    folder.mkdir()
    room = fleets.BINARY.stat().st_size // 1024 + 1024
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}k", "tmpfs", folder], check=True)
    yield project
    subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_of_the_shard_folders_is_full(little_room):
    """In the middle of a test; what finished before counts, and the other shard's report is not lost either."""
    project = little_room
    fills = MID_TEST.format(what="""
            while not os.path.exists('/code/other'):
                time.sleep(0.05)
            time.sleep(1)
            for number in range(20000):
                print('noise' * 40)""").replace("import socket", "import os, socket").replace('"never"]', '"never", *range(100)]')
    other = "def test_quick():\n    open('/code/other', 'w').close()\n"
    project.compose({}, redis={"image": REDIS}).write(test_ends=fills, test_other=other)
    assert project.local("pytest", "-q", "-s") == LOST, project.output
    project.line_with("No space left on device")
    assert project.result["verdict"] == "red"
    assert project.outcomes["test_ends.py::test_it[first]"] == project.outcomes["test_other.py::test_quick"] == "passed"
    # A few more may have found room in the last page of the log of events.
    assert list(project.outcomes.values()).count("lost") > 50


def fill_the_networks(name):
    made = []
    while len(made) < 64:
        done = subprocess.run(["docker", "network", "create", f"{name}-{len(made)}"], capture_output=True, text=True)
        if done.returncode:
            break
        made.append(done.stdout.strip())
    return made


@pytest.mark.all_networks
def test_an_address_pool_with_room_for_one_network(project):
    project.write(test_a=QUICK, test_b=QUICK).compose()
    made = fill_the_networks(f"full-{project.name}")
    try:
        assert 10 < len(made) < 64, f"{len(made)} networks fit"
        docker("network", "rm", made.pop())
        assert project.local(shards=2, flags=("--max-parallel", "1")) == fleets.GREEN, project.output
        assert len(project.outcomes) == 2
        before = len(project.containers)
        status = project.local(shards=3)
        if status != fleets.GREEN:
            assert status == OUTSIDE, project.output
            project.line_with("default-address-pools")
            assert len(project.containers) == before, "something was started although not all could be"
    finally:
        docker("network", "rm", *made, check=False)


# Signals.


def in_plan(project, process):
    time.sleep(0.05)


def in_build(project, process):
    for line in process.stdout:
        if "sleep 61" in line:
            return


def in_up(project, process):
    wait_until(lambda: project.containers, "the first container")


def in_wait(project, process):
    project.wait_for_container("slow")
    time.sleep(1)


def in_the_first_test(project, process):
    project.wait_for_file("started", process)


def in_a_test(project, process):
    project.wait_for_file("started", process)


def in_teardown(project, process):
    wait_until(lambda: [c for c in project.of_service("redis") if c.ended < float("inf")], "the end of a sidecar")


PHASES = [in_plan, in_build, in_up, in_wait, in_the_first_test, in_a_test, in_teardown]


@pytest.mark.parametrize(
    "phase, number",
    [*((phase, signal.SIGINT) for phase in PHASES), (in_up, signal.SIGTERM), (in_a_test, signal.SIGTERM)],
    ids=lambda value: getattr(value, "__name__", None) or value.name,
)
def test_a_signal(project, phase, number):
    slow = {"slow": NEVER_HEALTHY} if phase is in_wait else {}
    tests = {in_teardown: QUICK, in_the_first_test: SLEEPS.replace('== "running"', '== "first"')}
    app = {"build": "."} if phase is in_build else {}
    project.compose(app, redis={"image": REDIS}, **slow).write(test_ends=tests.get(phase, SLEEPS), test_other=QUICK)
    # Unlike the command of any other build, so that none is found in a cache.
    project.write(Dockerfile=f"FROM {APP}\nRUN echo {project.name} && sleep 61\n")
    process = project.start(shards=2)
    phase(project, process)
    ended, seconds = project.interrupt(process, number)
    # Before a handler is there the signal itself ends it; when all is said there is nothing to interrupt.
    others = {in_plan: {-number}, in_teardown: {fleets.GREEN}}.get(phase, set())
    assert ended in {128 + number} | others, project.output
    assert seconds < ALLOWED
    if phase is in_build:
        wait_until(lambda: not still_runs(f"echo {project.name} && sleep 61"), "the end of the build")
    if phase in (in_the_first_test, in_a_test):
        assert project.result["verdict"] == "red"
        finished = {in_the_first_test: set(), in_a_test: {"test_ends.py::test_it[first]"}}[phase]
        done = {name for name, outcome in project.outcomes.items() if outcome == "passed"}
        assert finished <= done <= finished | {"test_other.py::test_quick"}


def still_runs(command):
    """In a container or out of it."""
    return subprocess.run(["pgrep", "--full", command], stdout=subprocess.DEVNULL).returncode == 0


def test_six_fleets_are_gone_within_the_time_that_github_gives(project):
    for number in range(6):
        project.write(**{f"test_{number}": f"import time\n\ndef test_it():\n    open('/code/started{number}', 'w').close()\n    time.sleep(600)\n"})
    # What ignores a signal is what makes `down` slow.
    stubborn = {"image": REDIS, "command": ["sh", "-c", "trap '' TERM INT; redis-server --protected-mode no & while :; do sleep 1; done"]}
    project.compose({}, redis=stubborn)
    process = project.start(shards=6)
    for number in range(6):
        project.wait_for_file(f"started{number}", process)
    ended, seconds = project.interrupt(process)
    assert ended == INTERRUPTED, project.output
    assert seconds < ALLOWED


def test_what_a_killed_run_left_goes_with_the_next_start_and_nothing_else(mid_test, neighbour):
    project, process = mid_test
    neighbour.compose({}, redis={"image": REDIS}).write(test_ends=SLEEPS, test_other=SLEEPS)
    other = neighbour.start()
    neighbour.wait_for_file("started", other)
    process.kill()
    process.communicate()
    left, others = set(project.running()), set(neighbour.running())
    assert left and others
    project.write(test_ends=QUICK)
    assert project.local() == fleets.GREEN, project.output
    assert not left & set(project.running())
    assert others <= set(neighbour.running())
    assert neighbour.interrupt(other)[0] == INTERRUPTED, neighbour.output


def test_the_clients_of_a_killed_run_do_not_live_on(mid_test):
    """The docker client that waits for the app would write to a pipe that nobody reads."""
    project, process = mid_test
    children = [int(pid) for pid in subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()]
    process.kill()
    process.communicate()
    project.write(test_ends=QUICK)
    assert project.local() == fleets.GREEN, project.output
    alive = [pid for pid in children if os.path.exists(f"/proc/{pid}/cmdline") and b"docker" in open(f"/proc/{pid}/cmdline", "rb").read()]
    assert not alive


def test_one_shard_of_a_matrix_that_is_cancelled_as_github_does_it(project):
    """SIGINT to the entry process only, then SIGTERM, then the end."""
    project.compose({}, redis={"image": REDIS}).write(test_ends=SLEEPS)
    assert project.finish(project.launch("plan", "--shards", "1")) == fleets.GREEN, project.output
    process = project.launch("run", "--shard", "1/1", "--compose-service", "app", "--volume", ".:/code", "--", "pytest", "-q")
    project.wait_for_file("started", process)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(7.5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait(2.5)
    assert project.finish(process) == INTERRUPTED, project.output
    events = (project.shard_folder("1/1") / "events.jsonl").read_text()
    assert "test_ends.py::test_it[first]" in events
    assert json.loads((project.shard_folder("1/1") / "shard.json").read_text())["shard"] == "1/1"
