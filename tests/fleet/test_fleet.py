"""Every shard in containers of its own: what the suite says is what it says alone, and each sees only its own."""

import json
import re
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import fleets
import pytest
from fleets import APP, BARE, FAILED, GREEN, POSTGRES, REDIS, RUN, SHARD

QUICK = "def test_quick():\n    pass\n"
PASSED = re.compile(r"^PASSED (\S.*)$", re.M)


# The example: a suite that breaks side by side on one database and one cache.


@pytest.fixture(scope="module")
def serial(tmp_path_factory, engine):
    """The shop's tests as its people run them: in one process, on one database and one cache; then four processes on these."""
    shop = fleets.Shop(tmp_path_factory.mktemp("serial"), engine)
    with shop.one_database() as run:
        command = ["pytest", "-q", "-rA", "-p", "no:cacheprovider", "--cov", "--cov-report=xml:coverage.xml"]
        shop.alone = run(*command)
        shop.side_by_side = run("pytest", "-q", "-p", "no:cacheprovider", "-n", "4")
    return shop


@pytest.fixture(scope="module")
def four(tmp_path_factory, engine):
    """The same on four fleets."""
    shop = fleets.Shop(tmp_path_factory.mktemp("four"), engine)
    try:
        shop.exit = shop.local("pytest", "-q", "--cov", shards=4)
        yield shop
    finally:
        shop.remove_all()


def test_the_shop_passes_alone(serial):
    assert serial.alone.returncode == 0, serial.alone.stdout
    assert len(PASSED.findall(serial.alone.stdout)) > 300


def test_the_shop_breaks_side_by_side_on_one_database_and_one_cache(serial):
    broken = serial.side_by_side
    assert broken.returncode == FAILED, broken.stdout
    for reason in ("DeadlockDetected|UniqueViolation|UndefinedColumn", "shop:1:", "shop-export"):
        assert re.search(reason, broken.stdout), f"nothing about {reason}:\n{broken.stdout}"


def test_four_fleets_say_what_the_serial_run_says(serial, four):
    assert four.exit == GREEN, four.output
    assert four.outcomes == {name: "passed" for name in PASSED.findall(serial.alone.stdout)}
    assert four.result["verdict"] == "green"


def test_four_fleets_cover_what_the_serial_run_covers(serial, four):
    expected = covered(serial.folder / "coverage.xml", serial.folder, {"/code": serial.folder})
    assert covered(four.folder / "report/coverage.xml", four.folder, {}) == expected
    assert "shop/orders.py" in expected


def covered(file, root, mapped):
    """For every file below `root`, by its path in the repository, the lines that ran and those that did not."""
    tree = ElementTree.parse(file).getroot()
    sources = [source.text or "" for source in tree.iterfind("sources/source")]
    for inside, outside in mapped.items():
        sources = [str(outside) + source.removeprefix(inside) if source.startswith(inside) else source for source in sources]
    files = {}
    for part in tree.iter("class"):
        paths = (root / source / part.attrib["filename"] for source in [*sources, ""])
        path = next((path for path in paths if path.is_file()), None)
        assert path, f"{part.attrib['filename']} of {file} is no file of the repository ({sources})"
        found = {int(line.attrib["number"]): line.attrib["hits"] != "0" for line in part.iterfind("lines/line")}
        files[str(path.resolve().relative_to(root.resolve()))] = found
    return files


def test_each_shard_had_a_database_and_a_cache_of_its_own(four):
    for service in ("db", "redis"):
        assert sorted(container.shard for container in four.of_service(service)) == ["1/4", "2/4", "3/4", "4/4"]
    assert {container.shard for container in four.of_service("app")} == {"1/4", "2/4", "3/4", "4/4"}
    networks = {container.shard: container.networks for container in four.of_service("db")}
    assert len(set.union(*networks.values())) == 4
    for container in four.containers:
        assert container.networks <= networks[container.shard], f"{container.labels} is in another shard's network"


def test_all_containers_of_a_run_carry_its_token(four):
    assert len(four.tokens()) == 1 and None not in four.tokens()


def test_a_shard_folder_says_what_happened(four):
    for shard in ("1/4", "2/4", "3/4", "4/4"):
        folder = four.shard_folder(shard)
        assert {"shard.json", "events.jsonl", "log.txt", "compose.json"} <= {file.name for file in folder.iterdir()}
        assert json.loads((folder / "shard.json").read_text())["shard"] == shard
        assert set(json.loads((folder / "compose.json").read_text())["services"]) == {"app", "db", "redis"}


def test_no_path_of_a_container_is_left_in_the_result(four):
    assert not [test for test in four.result["tests"] if "/code" in json.dumps(test)]


def test_one_shard_of_a_matrix(project):
    project.compose({}, redis={"image": REDIS}).write(tests__test_a=QUICK, tests__test_b=QUICK)
    assert project.finish(project.launch("plan", "--shards", "2")) == GREEN, project.output
    ran = set()
    for shard in ("1/2", "2/2"):
        process = project.launch("run", "--shard", shard, "--compose-service", "app", "--volume", ".:/code", "--", "pytest", "-q")
        assert project.finish(process) == GREEN, project.output
        events = (project.shard_folder(shard) / "events.jsonl").read_text()
        ids = set(re.findall(r'"(tests/test_\w+\.py::[^"]+)"', events))
        assert ids and not ids & ran
        ran |= ids
    assert ran == {"tests/test_a.py::test_quick", "tests/test_b.py::test_quick"}


# Commands, images and services as people have them.


@pytest.mark.parametrize(
    "command",
    [("make", "test"), ("sh", "-c", "cd /code && pytest -q"), ("python3", "-m", "pytest", "-q")],
    ids=["make", "sh -c", "python -m pytest"],
)
def test_a_command_around_pytest(project, command):
    project.write(test_a=QUICK, test_b=QUICK, Makefile="test:\n\tpytest -q\n")
    assert project.local(*command) == GREEN, project.output
    assert project.outcomes == {"test_a.py::test_quick": "passed", "test_b.py::test_quick": "passed"}


def test_a_read_only_root(project):
    proof = "import pytest\n\ndef test_root():\n    with pytest.raises(OSError):\n        open('/etc/proof', 'w')\n"
    project.compose({"read_only": True, "tmpfs": ["/tmp"]}).write(test_a=proof, test_b=QUICK)
    assert project.local("pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "--cov-report=") == GREEN, project.output
    assert len(project.outcomes) == 2
    assert (project.folder / "report/coverage.xml").exists()


@pytest.mark.parametrize("way", ["flag", "compose file"])
def test_a_user_that_is_not_root(project, way):
    """Nor the owner of the repository."""
    proof = "import os\n\ndef test_user():\n    assert os.getuid() == 12345\n"
    project.compose({"user": "12345:12345"} if way == "compose file" else {}).write(test_a=proof, test_b=QUICK)
    flags = ("--user", "12345:12345") if way == "flag" else ()
    command = ("pytest", "-q", "-p", "no:cacheprovider", "--cov=.", "--cov-report=")
    assert project.local(*command, flags=flags) == GREEN, project.output
    assert set(project.outcomes) == {"test_a.py::test_user", "test_b.py::test_quick"}
    assert (project.folder / "report/coverage.xml").exists()


def test_fleets_take_from_one_queue_and_finish_what_another_had_begun(project):
    """As users of different containers who are not root; one of them dies in the middle."""
    dies = """
        import os

        def test_it():
            try:
                os.mkdir("/parallel-pytest/queue/died")
            except FileExistsError:
                return
            os._exit(9)
    """
    others = {f"test_{number}": QUICK for number in range(6)}
    project.compose({"user": "12345:12345"}).write(test_dies=dies, **others)
    assert project.local(flags=("--dynamic",)) == fleets.GREEN, project.output
    assert sorted(project.outcomes.values()) == ["flaky"] + ["passed"] * 6
    project.line_with("ran again in")


def test_an_image_without_a_shell(project):
    """With an entrypoint that is an interpreter; its sidecar is waited for all the same."""
    talks = "import socket\n\ndef test_it_accepts():\n    socket.create_connection(('redis', 6379), 5)\n"
    project.compose({"image": BARE}, redis={"image": REDIS}).write(test_a=talks, test_b=talks)
    assert project.local() == GREEN, project.output
    assert len(project.outcomes) == 2


BUILT = f"""
    FROM {APP}
    RUN echo built-only-once
    ENV PYTHONPATH=/opt/of-the-image
    RUN mkdir /opt/of-the-image && echo 'VALUE = 1' >/opt/of-the-image/of_the_image.py
    COPY --chmod=755 entrypoint.sh /
    ENTRYPOINT ["/entrypoint.sh"]
"""
ENTRYPOINT = '#!/bin/sh\nexport SET_BY_ENTRYPOINT=yes\nexec "$@"\n'


@pytest.fixture
def built(project):
    test = "import os, of_the_image\n\ndef test_entrypoint():\n    assert os.environ['SET_BY_ENTRYPOINT'] == 'yes'\n"
    # By its label it is found when another one has taken its name.
    project.write(Dockerfile=BUILT + f"    LABEL {fleets.LABEL}={project.name}\n", test_a=test, test_b=test)
    (project.folder / "entrypoint.sh").write_text(ENTRYPOINT)
    return project.compose({"build": "."})


def test_an_image_that_is_built_with_an_entrypoint_and_a_python_path_of_its_own(built):
    assert built.local(shards=3) == GREEN, built.output
    assert set(built.outcomes.values()) == {"passed"} and len(built.outcomes) == 2


def test_an_image_is_built_again_when_asked(built):
    assert built.local(flags=("--build",), shards=1) == GREEN, built.output
    (built.folder / "entrypoint.sh").write_text(ENTRYPOINT.replace("yes", "no"))
    assert built.local(flags=("--no-build",), shards=1) == GREEN, built.output
    assert built.local(flags=("--build",), shards=1) == FAILED, built.output


def test_an_image_that_must_not_be_built_and_is_not_there(built):
    assert built.local(flags=("--no-build",)) == fleets.USAGE, built.output
    built.line_with(f"built-{built.name}")


def test_what_the_service_says_about_python_is_extended(project):
    environment = {"PYTHONPATH": "/code/own", "PYTEST_PLUGINS": "own_plugin", "PYTEST_ADDOPTS": "--strict-markers"}
    project.compose({"environment": environment}).write(
        own__own_plugin="import pytest\n\n@pytest.fixture\ndef own():\n    return 'own'\n",
        test_a="def test_own(own, pytestconfig):\n    assert own == 'own' and pytestconfig.option.strict_markers\n",
        test_b="import own_plugin\n\ndef test_import():\n    assert own_plugin.own\n",
    )
    assert project.local() == GREEN, project.output
    assert set(project.outcomes) == {"test_a.py::test_own", "test_b.py::test_import"}


def test_several_compose_files_profiles_and_dotenv(project):
    project.compose({"environment": {"FROM_FIRST": "1"}})
    (project.folder / ".env").write_text("VALUE=of-dotenv\n")
    more = {"services": {"app": {"environment": {"FROM_SECOND": "${VALUE}"}}, "unused": {"image": "no/such-image", "profiles": ["debug"]}}}
    (project.folder / "more.yml").write_text(json.dumps(more))
    project.write(test_a="import os\n\ndef test_both():\n    assert os.environ['FROM_FIRST'] == '1' and os.environ['FROM_SECOND'] == 'of-dotenv'\n", test_b=QUICK)
    assert project.local(flags=("--compose-file", "docker-compose.yml", "--compose-file", "more.yml")) == GREEN, project.output
    assert len(project.outcomes) == 2


@pytest.fixture
def v1(project):
    if not fleets.COMPOSE_V1.exists():
        pytest.skip("compose v1 is a package of Debian 12 only")
    project.without_compose_v2()
    plain = subprocess.run([*project.prefix, "docker", "compose", "version"], env=project.env, capture_output=True)
    assert plain.returncode, "there still is a `docker compose`"
    return project


def test_compose_v1_where_there_is_no_other(v1):
    """With what it writes differently: short volumes and ports, images it names itself, networks it does not mention."""
    test = """
        import os, socket

        def test_fleet():
            assert os.environ["ODD"] == "it's 'odd': # " + "long " * 30 + "\\n$" and os.environ["YES"] == "yes"
            socket.create_connection(("redis", 6379), 5)
            open("/data/proof", "x")
    """
    environment = {"ODD": "it's 'odd': # " + "long " * 30 + "\n$$", "YES": "yes"}
    app = {"build": ".", "environment": environment, "volumes": ["data:/data"], "ports": ["127.0.0.1:26379:80"]}
    v1.compose(app, redis={"image": REDIS}, top={"volumes": {"data": {}}}).write(test_a=test, test_b=test)
    v1.write(Dockerfile=f"FROM {APP}\nLABEL {fleets.LABEL}={v1.name}\n")
    # The old builder reads the whole folder.
    (v1.folder / ".dockerignore").write_text("*\n")
    # Its image has the name that compose v1 gives it.
    text = (v1.folder / "docker-compose.yml").read_text()
    (v1.folder / "docker-compose.yml").write_text(text.replace(f'"image": "parallel-pytest-test/built-{v1.name}",', ""))
    assert v1.local(flags=("--volume", ".:/code")) == GREEN, v1.output
    assert len(v1.outcomes) == 2
    assert {container.shard for container in v1.of_service("redis")} == {"1/2", "2/2"}
    networks = [container.networks for container in v1.of_service("redis")]
    assert networks[0].isdisjoint(networks[1])


def test_compose_v1_is_interrupted(v1):
    v1.compose({}, redis={"image": REDIS}).write(test_a="import time\n\ndef test_it():\n    open('/code/started', 'w').close()\n    time.sleep(600)\n")
    process = v1.start(shards=1)
    v1.wait_for_file("started", process)
    status, seconds = v1.interrupt(process)
    assert (status, seconds < 10) == (fleets.INTERRUPTED, True), v1.output


def test_a_job_that_ends_well_before_the_app_starts_is_no_fault(project):
    job = {"image": APP, "command": ["sh", "-c", "echo migrated >/shared/done"], "volumes": ["shared:/shared"]}
    app = {"depends_on": {"job": {"condition": "service_completed_successfully"}}, "volumes": ["shared:/shared"]}
    test = "def test_migrated():\n    assert open('/shared/done').read() == 'migrated\\n'\n"
    project.compose(app, job=job, top={"volumes": {"shared": {}}}).write(test_a=test, test_b=test)
    assert project.local() == GREEN, project.output
    assert len(project.outcomes) == 2


CONNECTS = "import socket\n\nsocket.create_connection(('{}', {}), 1)\n\ndef test_connected():\n    pass\n"


def test_a_slow_database_is_waited_for_by_the_port_of_its_image(project):
    late = {"image": POSTGRES, "entrypoint": ["sh", "-c", "sleep 3; exec postgres-entrypoint"]}
    test = CONNECTS.format("db", 5432)
    project.compose({}, db=late).write(test_a=test, test_b=test)
    assert project.local() == GREEN, project.output


def test_a_service_waits_for_the_health_of_another_and_neither_for_the_interval_of_a_check(project):
    """docker itself would first ask after half a minute."""
    check = {"test": ["CMD-SHELL", "test -e /tmp/is-$${KIND}"], "interval": "30s"}
    slow = {"image": APP, "environment": {"KIND": "ready"}, "command": ["sh", "-c", "sleep 1; date +%s%N > /shared/db; touch /tmp/is-ready; exec sleep 600"]}
    then = {"image": APP, "command": ["sh", "-c", "cp /shared/db /shared/worker-saw; exec sleep 600"], "volumes": ["shared:/shared"]}
    then["depends_on"] = {"db": {"condition": "service_healthy"}}
    app = {"volumes": ["shared:/shared"], "depends_on": ["worker"]}
    project.compose(app, db={**slow, "healthcheck": check, "volumes": ["shared:/shared"]}, worker=then, top={"volumes": {"shared": {}}})
    project.write(test_a="def test_a():\n    assert open('/shared/worker-saw').read().strip()\n")
    assert project.local(flags=("--wait-timeout", "20s"), shards=1) == GREEN, project.output


def test_a_slow_service_is_waited_for_by_the_port_that_was_named(project):
    """The app says nothing about it: no image EXPOSE, no depends_on."""
    late = {"image": APP, "command": ["sh", "-c", "sleep 2; exec python3 -m http.server 8000"]}
    test = CONNECTS.format("web", 8000)
    project.compose({"depends_on": []}, web=late).write(test_a=test, test_b=test)
    assert project.local(flags=("--wait-for", "web:8000")) == GREEN, project.output


# Many fleets at once, and those of others.


def test_a_fixed_name_and_a_published_port_do_not_collide(project):
    """Nor does an address of its own in a network of its own."""
    network = {"ipam": {"config": [{"subnet": "10.213.7.0/24"}]}}
    redis = {"image": REDIS, "container_name": "the-redis", "ports": ["127.0.0.1:26379:6379"], "networks": {"inner": {"ipv4_address": "10.213.7.7"}}}
    test = "import socket, time\n\ndef test_it():\n    time.sleep(2)\n    socket.create_connection(('redis', 6379), 5)\n"
    project.compose({"networks": ["inner"]}, redis=redis, top={"networks": {"inner": network}}).write(test_a=test, test_b=test)
    assert project.local() == GREEN, project.output
    started = [container.started for container in project.of_service("redis")]
    ended = [container.ended for container in project.of_service("redis")]
    assert len(started) == 2 and max(started) < min(ended), "the two were not up at the same time"


def test_an_external_network_stays_and_is_warned_about(project):
    network = f"shared-{project.name}"
    fleets.docker("network", "create", network)
    try:
        networks = {"networks": {"default": {"external": True, "name": network}}}
        project.compose(top=networks).write(test_a=QUICK, test_b=QUICK)
        # It is no leftover of ours, that is the point.
        assert project.local(leaves_nothing=False) == GREEN, project.output
        assert [left for left in project.left() if not left.startswith("network ")] == []
        project.line_with("warn", "external network", network)
        assert fleets.docker("network", "ls", "-q", "--filter", f"name={network}")
    finally:
        fleets.docker("network", "rm", network, check=False)


def test_two_runs_at_once_never_touch_each_other(project, neighbour):
    wait = "import socket, time\n\ndef test_{0}():\n    time.sleep({1})\n    socket.create_connection(('redis', 6379), 5)\n"
    runs = []
    for one, seconds in ((project, 0), (neighbour, 4)):
        one.compose({"container_name": "the-app"}, redis={"image": REDIS, "container_name": "the-redis"})
        one.write(test_a=wait.format("a", seconds), test_b=wait.format("b", seconds))
        runs.append(one.start())
    assert project.finish(runs[0]) == GREEN, project.output
    assert neighbour.running(), "the first one to end took the other one's containers along"
    assert neighbour.finish(runs[1]) == GREEN, neighbour.output
    assert project.tokens().isdisjoint(neighbour.tokens())


def test_no_more_fleets_at_a_time_than_allowed(project):
    for number in range(4):
        project.write(**{f"test_{number}": "import time\n\ndef test_it():\n    time.sleep(1)\n"})
    project.compose({}, redis={"image": REDIS})
    assert project.local(shards=4, flags=("--max-parallel", "2")) == GREEN, project.output
    assert len(project.outcomes) == 4
    spans = [(container.started, container.ended) for container in project.of_service("redis")]
    assert len(spans) == 4
    most = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert most == 2


def test_as_many_fleets_as_fit(project):
    """By the processors in the first run, then by what a fleet was seen to use."""
    waits = "import time\n\ndef test_waits():\n    time.sleep(5)\n"
    project.compose({}, redis={"image": REDIS}).write(test_a=waits, test_b=QUICK)
    assert project.local(shards="auto", flags=("--max-parallel", "4")) == GREEN, project.output
    first = project.line_with("fleet", "known after the first run")
    seen = json.loads((project.folder / ".parallel-pytest/fleet.json").read_text())
    # A Python and a Redis, which mostly wait.
    assert 5 << 20 < seen["memory"] < 500 << 20 and 0 <= seen["processors"] < 1, seen
    shards = [json.loads(file.read_text()) for file in project.folder.glob(".parallel-pytest/shard-*/shard.json")]
    assert len(shards) == int(first.split()[0])
    assert seen["memory"] == max(shard["peak_memory"] or 0 for shard in shards)
    flags = ("--dry-run",)
    assert project.local(shards="auto", flags=flags) == GREEN, project.output
    assert int(project.line_with("fleet", "processor", "keeps").split()[0]) > len(shards)
    (project.folder / ".parallel-pytest/fleet.json").write_text(json.dumps(seen | {"memory": 1 << 50}))
    assert project.local(shards="auto", flags=flags) == GREEN, project.output
    project.line_with("1 fleet: ", "GiB of memory are free")


def test_a_dry_run_says_it_all_and_starts_nothing(project):
    project.compose({}, redis={"image": REDIS, "ports": ["127.0.0.1:26379:6379"]}).write(test_a=QUICK, test_b=QUICK)
    assert project.local("pytest", "-q", "-k", "quick", flags=("--dry-run", "--retries", "2", "--retry-fresh")) == GREEN, project.output
    project.line_with("fail", "again", "2")
    assert project.output.count('"services"') == 4
    for shard in ("1/2", "2/2"):
        project.line_with(shard)
    project.line_with("docker", "compose", "app", "pytest -q -k quick")
    assert "26379" not in project.output
    assert project.containers == []
    assert not (project.folder / "report").exists()


def test_a_failed_fleet_is_kept_when_asked(project):
    project.compose({}, redis={"image": REDIS}).write(test_a="def test_fails():\n    assert False\n", test_b=QUICK)
    assert project.local(flags=("--keep",), leaves_nothing=False) == FAILED, project.output
    failed = next(test["shard"] for test in project.result["tests"] if test["outcome"] == "failed")
    kept = {c.shard for c in project.containers if c.id in project.running()}
    assert kept == {failed}
    command = re.search(r"`(docker compose [^`]* (?:exec|run) [^`]*)`", project.output)[1]
    shell = subprocess.run(["script", "-qec", command, "/dev/null"], input="hostname\nexit\n", text=True, capture_output=True, timeout=60, env=project.env, cwd=project.folder)
    assert shell.returncode == 0, f"{command}: {shell.stdout}{shell.stderr}"


# What is said.


def test_a_failed_test_is_named_with_its_place_in_the_repository_and_the_logs_of_its_sidecars_are_kept(project):
    said = {"image": APP, "command": ["sh", "-c", "echo said by the sidecar; exec sleep 600"], "stop_grace_period": "0s"}
    project.compose({}, talker=said).write(tests__test_a="def test_fails():\n    value = 1\n    assert value == 2\n", tests__test_b=QUICK)
    assert project.local() == FAILED, project.output
    failed = next(test for test in project.result["tests"] if test["outcome"] == "failed")
    assert failed["id"] == "tests/test_a.py::test_fails"
    assert "/code/tests" not in json.dumps(project.result)
    assert "said by the sidecar" in (project.shard_folder(failed["shard"]) / "logs/talker.txt").read_text()


def test_a_secret_of_the_environment_is_not_shown(project):
    secret = "8f14e45fceea167a5a36"
    test = "import os\n\ndef test_tells():\n    print(os.environ['DATABASE_PASSWORD'])\n    assert os.environ['DATABASE_PASSWORD'] == 'x'\n"
    project.compose({"environment": {"DATABASE_PASSWORD": secret}}).write(test_a=test, test_b=QUICK)
    assert project.local() == FAILED, project.output
    assert secret not in project.output
    for file in (project.folder / "report").rglob("*"):
        assert not file.is_file() or secret not in file.read_text(errors="replace"), file


def test_lines_of_fleets_are_whole_and_say_their_shard(project):
    noise = "def test_noise():\n    for number in range(3000):\n        print('{0}' * 60, flush=True)\n"
    project.write(test_a=noise.format("a"), test_b=noise.format("b"))
    assert project.local("pytest", "-q", "-s", flags=("--show-output",)) == GREEN, project.output
    loud = [line for line in project.output.splitlines() if "aaaa" in line or "bbbb" in line]
    assert len(loud) == 6000
    for line in loud:
        assert re.search(r"[12]/2", line) and re.search(r"(a{60}|b{60})$", line.rstrip(".")), line


FORGED = ["::error::forged", "  ::add-mask::forged", "x ##[error]forged", "::stop-commands::forged", "::endgroup::"]


def commands_that_github_sees(text):
    """As its runner reads a log (`ActionCommand.cs`): `::` at the start of a line, `##[` anywhere; nothing until the token of `stop-commands`."""
    token, seen = None, []
    for line in text.splitlines():
        found = re.match(r"\s*::([\w-]+).*?::(.*)", line) or re.search(r"##\[([\w-]+)(.*)\]", line)
        if token:
            token = None if found and found[1] == token else token
        elif found:
            seen.append(found[1])
            token = found[2] if found[1] == "stop-commands" else None
    return seen


def test_on_github_each_shard_is_a_group_in_which_nothing_is_a_command(project):
    """Nor is anything in the report, or in what an image's build says."""
    forged = "\\n".join(FORGED)
    says = f"import pytest\n\n@pytest.mark.parametrize('id', ['##[error]forged'])\ndef test_says(id):\n    print('said by {{}}\\n{forged}')\n    assert not '\\n{forged}'\n"
    build = f"FROM {APP}\nLABEL {fleets.LABEL}={project.name}\nRUN echo '##[error]forged by {project.name}'\n"
    project.compose({"build": "."}).write(test_a=says.format("a"), test_b=says.format("b"), Dockerfile=build)
    project.env["GITHUB_ACTIONS"] = "true"
    assert project.local("pytest", "-q", "-s", flags=("--show-output",)) == FAILED, project.output
    seen = commands_that_github_sees(project.output)
    assert set(seen) == {"stop-commands", "group", "endgroup"} and seen.count("group") == seen.count("endgroup") == 2, seen
    groups = re.findall(r"^::group::shard ([12]/2)\n(.*?)^::endgroup::$\n(?!::stop)?", project.output, re.M | re.S)
    assert sorted(shard for shard, _ in groups) == ["1/2", "2/2"]
    for letter in "ab":
        assert sum(f"said by {letter}" in text for _, text in groups) == 1, project.output
    assert project.output.count("##[error]forged by") > 0, "nothing was said by the build"


def test_a_line_is_shown_while_its_test_still_runs(project):
    waits = "import os, time\n\ndef test_waits():\n    print('now it is', 'running', flush=True)\n    while not os.path.exists('/code/seen'):\n        time.sleep(0.05)\n"
    project.write(test_a=waits, test_b=QUICK)
    process = project.start("pytest", "-q", "-s", flags=("--show-output", "--timeout", "60s"))
    for line in process.stdout:
        if "now it is running" in line:
            (project.folder / "seen").touch()
            break
    else:
        pytest.fail("the line never came")
    assert project.finish(process) == GREEN, project.output


def test_a_flood_of_output_neither_blocks_nor_grows_memory(project):
    flood = "import subprocess\n\ndef test_flood():\n    subprocess.run('yes a line of a flood | head -c 300000000', shell=True, check=True)\n"
    project.write(test_a=flood, test_b=QUICK)
    process = project.start("pytest", "-q", "-s", stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            peak = max(peak, int(found[1]))
        time.sleep(0.05)
    assert process.returncode == GREEN
    assert 0 < peak < 50_000, f"{peak} kB"
    assert project.left() == []
