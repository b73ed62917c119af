"""Projects with compose files, run by the binary on a real engine, and what the engine saw of it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
import uuid
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
BINARY = Path(os.environ.get("PARALLEL_PYTEST_BINARY") or REPOSITORY / "target/release/parallel-pytest").absolute()
EXAMPLE = HERE / "example"
CACHE = Path(os.environ.get("PARALLEL_PYTEST_CACHE") or Path.home() / ".cache/parallel-pytest-tests")
COMPOSE_V1 = CACHE / "compose-v1/docker-compose"
APP, BARE, POSTGRES, REDIS = (f"parallel-pytest-test/{name}" for name in ("django-app", "bare", "postgres", "redis"))
GREEN, FAILED, USAGE, LOST, OUTSIDE, NOTHING = 0, 1, 2, 3, 4, 5
INTERRUPTED = 128 + signal.SIGINT
# On every container of a test, so that what belongs to it is found whatever the binary does.
LABEL = "fleet-test"
RUN, SHARD = "parallel-pytest.run", "parallel-pytest.shard"
LONGEST = 180  # seconds


def docker(*arguments, check=True, **options):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **options)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.02)
    return found


@dataclasses.dataclass
class Container:
    id: str
    labels: dict
    started: float = 0
    ended: float = float("inf")
    removed: float = float("inf")
    networks: set = dataclasses.field(default_factory=set)
    volumes: set = dataclasses.field(default_factory=set)

    @property
    def service(self):
        return self.labels.get("com.docker.compose.service")

    @property
    def shard(self):
        return self.labels.get(SHARD)


class Engine:
    """Listens to the engine all the time: what is gone at the end of a test was there in the middle of it."""

    def __init__(self):
        self.containers: dict[str, Container] = {}
        self.lock = threading.Lock()
        self.process = subprocess.Popen(["docker", "events", "--format", "{{json .}}"], stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        # Events are heard once the first one is.
        while not self.heard():
            time.sleep(0.05)

    def heard(self):
        marker = docker("create", "--label", f"{LABEL}=marker", REDIS)
        docker("rm", "-v", marker)
        time.sleep(0.1)
        return marker in self.containers

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            kind, action, actor = event["Type"], event["Action"], event["Actor"]
            at = event["timeNano"] / 1e9
            with self.lock:
                if kind == "container" and action == "create":
                    self.containers[actor["ID"]] = Container(actor["ID"], actor["Attributes"])
                owner = self.containers.get(actor["ID"] if kind == "container" else actor["Attributes"].get("container", ""))
                if owner is None:
                    continue
                if (kind, action) == ("container", "start"):
                    owner.started = at
                elif (kind, action) == ("container", "die"):
                    owner.ended = at
                elif (kind, action) == ("container", "destroy"):
                    owner.removed = at
                elif (kind, action) == ("network", "connect"):
                    owner.networks.add(actor["ID"])
                elif (kind, action) == ("volume", "mount"):
                    owner.volumes.add(actor["ID"])

    def seen(self, label, value):
        """The containers with this label, living or gone."""
        with self.lock:
            return [container for container in self.containers.values() if container.labels.get(label) == value]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Daemon:
    """An engine of its own, which a test may stop: its containers, networks and firewall are in a network namespace that is its own, too."""

    def __init__(self):
        self.home = CACHE / "own-engine"
        self.run = Path(tempfile.mkdtemp(prefix="parallel-pytest-own-engine.", dir="/run"))
        self.host = f"unix://{self.run}/socket"
        self.name = self.run.name.replace(".", "-")
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        # A network that an engine left half written makes the next one panic (moby 20.10).
        shutil.rmtree(self.home / "network", ignore_errors=True)
        self.start()

    def start(self):
        # What a killed engine left: it takes the next one for a second.
        for stale in (self.run / "pid", self.run / "x/containerd/containerd.pid"):
            stale.unlink(missing_ok=True)
        options = ["--data-root", self.home, "--exec-root", self.run / "x", "--pidfile", self.run / "pid", "--host", self.host]
        # `ip netns exec` would hide the control groups.
        command = ["nsenter", f"--net=/run/netns/{self.name}", "dockerd", *options, "--ip6tables=false", "--shutdown-timeout=3"]
        with open(self.run / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: docker("version", check=False, env=self.env).count("Version:") > 1, "an engine of its own")

    @property
    def env(self):
        return os.environ | {"DOCKER_HOST": self.host}

    def add_images(self, *names):
        """From the shared engine; what is there stays for the next time."""
        ids = {name: docker("image", "inspect", "--format", "{{.Id}}", name) for name in names}
        missing = [name for name in names if docker("image", "inspect", "--format", "{{.Id}}", name, check=False, env=self.env) != ids[name]]
        if missing:
            with subprocess.Popen(["docker", "save", *missing], stdout=subprocess.PIPE) as saved:
                subprocess.run(["docker", "load"], stdin=saved.stdout, stdout=subprocess.DEVNULL, check=True, env=self.env)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(30)

    def remove(self):
        if self.process.poll() is None:
            if ids := docker("ps", "-aq", check=False, env=self.env).split():
                docker("rm", "-fv", *ids, check=False, env=self.env)
            self.stop()
        subprocess.run(["ip", "netns", "delete", self.name], check=True)
        for mount in sorted(re.findall(rf"^\S+ ({re.escape(str(self.run))}\S*)", Path("/proc/mounts").read_text(), re.M), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.run, ignore_errors=True)


class Proxy:
    """The engine behind a socket that can be shut: for its clients the daemon is gone."""

    def __init__(self, folder):
        self.path = folder / "engine.sock"
        self.open_connections: set[socket.socket] = set()
        self.start()

    def start(self):
        self.path.unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(64)
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def accept(self, server):
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
                self.open_connections |= {client, upstream}
                for source, target in ((client, upstream), (upstream, client)):
                    threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    def copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def stop(self):
        # A thread that accepts keeps a closed socket listening.
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.path.unlink()
        for connection in self.open_connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.open_connections.clear()


class Project:
    """A folder with tests and a compose file whose service `app` runs them."""

    def __init__(self, folder, engine):
        self.home = folder
        self.folder = folder / "project"
        self.folder.mkdir(parents=True)
        self.engine = engine
        self.name = uuid.uuid4().hex[:12]
        passed_on = ("PATH", "DOCKER_HOST", "DOCKER_CONFIG")
        self.env = {name: os.environ[name] for name in passed_on if name in os.environ}
        self.env |= {"HOME": str(folder), "LC_ALL": "C.UTF-8", "FLEET_TEST": self.name}
        self.output = ""
        self.prefix: list[str] = []

    def without_compose_v2(self):
        """docker has no compose here, and `docker-compose` is v1: as on Debian 12."""
        home = self.home / "v1"
        home.mkdir()
        (home / "docker-compose").symlink_to(COMPOSE_V1)
        self.env["PATH"] = f"{home}:{self.env['PATH']}"
        places = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"]
        hide = [f"mount -t tmpfs none {place}/docker/cli-plugins" for place in places if Path(place, "docker/cli-plugins").is_dir()]
        self.prefix = ["unshare", "--mount", "sh", "-c", " && ".join([*hide, 'exec "$@"']), "sh"]

    def write(self, **files):
        """`tests__test_a="…"` is tests/test_a.py."""
        for name, text in files.items():
            file = self.folder / name.replace("__", "/")
            file = file.with_name(file.name + ("" if "." in file.name or file.name[0].isupper() else ".py"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return self

    def compose(self, app=None, file="docker-compose.yml", top=None, **services):
        """JSON is YAML. The app depends on all the other services if nothing else is said."""
        services["app"] = {"image": APP, "depends_on": [*services], **(app or {})}
        if "build" in services["app"]:
            services["app"]["image"] = f"parallel-pytest-test/built-{self.name}"
        for service in services.values():
            service["labels"] = {LABEL: self.name}
        (self.folder / file).write_text(json.dumps({"services": services, **(top or {})}, indent=2))
        return self

    def launch(self, *arguments, stdout=subprocess.PIPE):
        return subprocess.Popen(
            [*self.prefix, str(BINARY), *arguments], cwd=self.folder, env=self.env, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT,
        )

    def start(self, *command, flags=(), shards=2, **options):
        if not (self.folder / "docker-compose.yml").exists():
            self.compose()
        if "--dynamic" not in flags:
            flags = ("--no-dynamic", *flags)
        fleet = ["--compose-service", "app", "--volume", ".:/code"]
        return self.launch("local", "--shards", str(shards), *fleet, *flags, "--", *(command or ("pytest", "-q")), **options)

    def finish(self, process, leaves_nothing=True):
        try:
            self.output = process.communicate(timeout=LONGEST)[0]
        finally:
            process.kill()
        if leaves_nothing:
            assert self.left() == [], f"left behind: {self.left()}\n{self.output}"
        return process.returncode

    def local(self, *command, leaves_nothing=True, **options):
        return self.finish(self.start(*command, **options), leaves_nothing)

    def interrupt(self, process, number=signal.SIGINT):
        """The exit status, and the seconds it took."""
        began = time.monotonic()
        process.send_signal(number)
        status = self.finish(process)
        return status, time.monotonic() - began

    # What came out.

    @property
    def result(self):
        return json.loads((self.folder / "report/result.json").read_text())

    @property
    def outcomes(self):
        return {test["id"]: test["outcome"] for test in self.result["tests"]}

    def shard_folder(self, shard):
        return self.folder / ".parallel-pytest" / f"shard-{shard.replace('/', '-of-')}"

    def line_with(self, *words):
        """One line of the output has all these words: what a person who scrolls finds."""
        lines = [line for line in self.output.splitlines() if all(word.lower() in line.lower() for word in words)]
        assert lines, f"no line with {words} in\n{self.output}"
        return lines[0]

    # What the engine saw.

    @property
    def containers(self):
        own = self.engine.seen(LABEL, self.name)
        tokens = {c.labels.get(RUN) for c in own} - {None}
        helpers = [c for token in tokens for c in self.engine.seen(RUN, token) if c not in own]
        return own + helpers

    def of_service(self, service):
        return [container for container in self.containers if container.service == service]

    def tokens(self):
        return {container.labels.get(RUN) for container in self.containers}

    def wait_for_container(self, service):
        return wait_until(lambda: [c for c in self.of_service(service) if c.started], f"a container of {service}")[0]

    def wait_for_file(self, name, process):
        def there():
            assert process.poll() is None, self.finish(process, leaves_nothing=False) or self.output
            return (self.folder / name).exists()

        wait_until(there, name)

    def running(self):
        return docker("ps", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={self.name}").split()

    def left(self):
        """Every container, network and volume of this project's runs that still exists."""
        # What is told on the event stream comes a moment later than the answer to who removed it.
        time.sleep(0.1)
        by_label = [f"label={LABEL}={self.name}", *(f"label={RUN}={token}" for token in self.tokens() if token)]
        found = set()
        for label in by_label:
            found |= {f"container {name}" for name in lines(docker("ps", "-a", "--filter", label, "--format", "{{.ID}} {{.Names}}"))}
            found |= {f"network {name}" for name in lines(docker("network", "ls", "--filter", label, "--format", "{{.Name}}"))}
            found |= {f"volume {name}" for name in lines(docker("volume", "ls", "--filter", label, "--format", "{{.Name}}"))}
        networks = set().union(*(c.networks for c in self.containers)) - self.engine_networks()
        volumes = set().union(*(c.volumes for c in self.containers))
        alive = lines(docker("network", "ls", "--no-trunc", "--format", "{{.ID}}"))
        found |= {f"network {name}" for name in networks & set(alive)}
        found |= {f"volume {name}" for name in volumes & set(lines(docker("volume", "ls", "--format", "{{.Name}}")))}
        return sorted(found)

    @staticmethod
    def engine_networks():
        return set(lines(docker("network", "ls", "--no-trunc", "--filter", "type=builtin", "--format", "{{.ID}}")))

    def remove_all(self):
        """Whatever went wrong, the next test starts on a clean engine."""
        for token in self.tokens():
            for label in filter(None, [f"{LABEL}={self.name}", token and f"{RUN}={token}"]):
                if ids := docker("ps", "-aq", "--filter", f"label={label}").split():
                    docker("rm", "-fv", *ids, check=False)
                for kind in ("network", "volume"):
                    if ids := docker(kind, "ls", "-q", "--filter", f"label={label}").split():
                        docker(kind, "rm", *ids, check=False)
        if images := docker("image", "ls", "-aq", "--filter", f"label={LABEL}={self.name}").split():
            docker("image", "rm", "--force", *set(images), check=False)


class Shop(Project):
    """The example."""

    def __init__(self, folder, engine):
        super().__init__(folder, engine)
        shutil.copytree(EXAMPLE, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))

    @contextlib.contextmanager
    def one_database(self):
        """What people have today: one project of compose. Yields what runs a command in the app's container."""
        compose = ["docker", "compose", "--project-name", f"shop-{self.name}"]
        options = {"cwd": self.folder, "env": self.env, "text": True, "stdin": subprocess.DEVNULL}
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "timeout": LONGEST}

        def run(*command):
            return subprocess.run([*compose, "run", "--rm", "-T", "--volume", f"{self.folder}:/code", "app", *command], **options)

        try:
            subprocess.run([*compose, "up", "--detach", "--wait", "db", "redis"], check=True, **options)
            yield run
        finally:
            subprocess.run([*compose, "down", "--volumes", "--timeout", "0"], **options)


def lines(text):
    return text.splitlines()
