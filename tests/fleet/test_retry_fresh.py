"""What failed runs again in a fleet in which nothing has run before."""

import json

import fleets
from fleets import FAILED, GREEN, INTERRUPTED, REDIS, docker

FRESH = ("--retries", "1", "--retry-fresh")
# The second test fails wherever the first one has run: in that process, and after it on that database.
POISON = """
    import socket

    def ask(command):
        with socket.create_connection(("redis", 6379)) as redis:
            redis.sendall(command + b"\\r\\n")
            return redis.recv(99)

    def test_a_writes():
        assert ask(b"SET order 1").startswith(b"+OK")

    def test_b_needs_an_empty_database():
        print("asked")
        assert ask(b"EXISTS order").startswith(b":0")
"""
CLEAN = "test_a.py::test_b_needs_an_empty_database"
FAILS = "def test_fails():\n    assert 0\n"
# Starts once, and then never again.
ONCE = {"image": fleets.APP, "command": ["sh", "-c", "mkdir /code/first || { echo not twice; exit 3; }; exec python3 -m http.server 5432"], "volumes": [".:/code"]}


def test_only_a_fresh_fleet_has_the_database_that_the_test_needs(project):
    project.compose({}, redis={"image": REDIS}).write(test_a=POISON)
    assert project.local("pytest", "-q", shards=1, flags=("--retries", "1")) == FAILED, project.output
    assert project.outcomes[CLEAN] == "failed"
    assert project.local("pytest", "-q", "--cov=.", shards=1, flags=FRESH) == GREEN, project.output
    assert project.outcomes == {"test_a.py::test_a_writes": "passed", CLEAN: "flaky"}
    first, second = project.of_service("redis")[-2:]
    assert first.removed < second.started and not first.networks & second.networks
    assert {first.shard, second.shard} == {"1/1"} and first.labels[fleets.RUN] == second.labels[fleets.RUN]
    folder = project.shard_folder("1/1")
    assert "flakyFailure" in (folder / "junit.xml").read_text()
    assert (folder / "log.txt").read_text().count("retry 1 in a fresh environment") == 1
    covered = json.loads((project.folder / "report/coverage.json").read_text())["files"]["test_a.py"]
    assert covered["missing_lines"] == []


def test_where_no_second_fleet_starts_what_failed_stays_failed(project):
    project.compose({}, db=ONCE).write(test_a=FAILS, test_b="def test_passes():\n    pass\n")
    assert project.local(shards=1, flags=FRESH) == FAILED, project.output
    assert project.outcomes == {"test_a.py::test_fails": "failed", "test_b.py::test_passes": "passed"}
    project.line_with("retry", "does not count", "db")


def test_the_last_fleet_is_kept(project):
    project.compose({}, redis={"image": REDIS}).write(test_a=FAILS)
    assert project.local(shards=1, flags=(*FRESH, "--keep"), leaves_nothing=False) == FAILED, project.output
    first, second = project.of_service("redis")
    assert first.removed < second.started and project.running() == [second.id]
    assert second.labels["com.docker.compose.project"] in project.line_with("is kept")
    docker("network", "inspect", *second.networks)


def test_a_signal_in_the_middle_of_a_retry(project):
    sleeps = """
        import pathlib, time

        def test_it():
            first = pathlib.Path("/code/first")
            if first.exists():
                pathlib.Path("/code/again").touch()
                time.sleep(600)
            first.touch()
            assert 0
    """
    project.compose({}, redis={"image": REDIS}).write(test_a=sleeps)
    process = project.start(shards=1, flags=FRESH)
    project.wait_for_file("again", process)
    assert project.interrupt(process)[0] == INTERRUPTED, project.output
    assert project.outcomes == {"test_a.py::test_it": "failed"}
    project.line_with("retry", "does not count", "SIGINT")
