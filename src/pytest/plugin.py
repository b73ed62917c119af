"""pytest's side of parallel-pytest: runs one shard of a plan and logs what happens.

Loaded by PYTEST_PLUGINS. Does nothing unless PARALLEL_PYTEST_PLAN is set:

    PARALLEL_PYTEST_PLAN          plan.json
    PARALLEL_PYTEST_SHARD         which part of it to run, such as 3/6
    PARALLEL_PYTEST_SHARD_DIR     where events.jsonl, coverage.json and a junit.xml that was asked for go
    PARALLEL_PYTEST_ROOT          the folder the plan was made in
    PARALLEL_PYTEST_SIDE_BY_SIDE  1 if other shards run in the same working directory now
    PARALLEL_PYTEST_QUEUE         the folder of the plan's queue, if shards take from it while they run
    PARALLEL_PYTEST_RETRIES       how often a test that fails is run again at the end
    PARALLEL_PYTEST_PROGRAM       the program that says what coverage.py would, but faster
    PARALLEL_PYTEST_RETRY         which retry this is, of the tests that retry.json in the shard's folder names

Under pytest-xdist every worker selects and logs its own tests; the controller adds what only it
knows: the session, its end, and crashed workers. The events are described in src/pytest/events.rs.
"""

import contextlib
import gc
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import warnings

import pytest

NAME = "parallel_pytest_plugin"
ENV = "PARALLEL_PYTEST_"
SHARED_SCOPES = ("class", "module", "package", "session")
# A fixture that is cheaper than this, in seconds, does not matter to a plan.
FIXTURE_FLOOR = 0.001
# Marks of tests that need each other.
TIES = frozenset(("xdist_group", "dependency", "incremental"))
# Bytes of UTF-8.
TEXT_LIMIT = 64 << 10
MESSAGE_LIMIT = 1 << 10
# Of events that the disk had no room for.
LEFT_LIMIT = 64 << 20
# Of one test.
PROPERTIES_LIMIT = 100
NOWHERE = None, None
# Tests of one process that are run again: where more fail, it is not chance.
MOST_RETRIED = 100
HERE = os.path.abspath(__file__)
# Coverage measures everything that is not installed, but nothing that has no real file.
__file__ = "<parallel-pytest>/" + os.path.basename(HERE)

quote = json.encoder.encode_basestring_ascii


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    plan_path = os.environ.get(ENV + "PLAN")
    if not plan_path:
        return
    if int(pytest.__version__.split(".")[0]) < 7:
        raise pytest.UsageError(
            "parallel-pytest needs pytest 7 or newer, this is " + pytest.__version__
        )
    folder = os.path.abspath(os.environ.get(ENV + "SHARD_DIR") or ".")
    os.makedirs(folder, exist_ok=True)
    log = Log(os.path.join(folder, "events.jsonl"))
    try:
        plan = Plan(plan_path, os.environ.get(ENV + "SHARD", ""))
    except pytest.UsageError as error:
        log.write({"e": "internal_error", "text": valid(str(error))}, after_others=True)
        raise
    paths = Paths(os.environ.get(ENV + "ROOT") or os.getcwd(), config)
    side_by_side = os.environ.get(ENV + "SIDE_BY_SIDE") == "1"
    if side_by_side:
        config._inicache["cache_dir"] = os.path.join(folder, "cache")
    queue = Queue(os.environ.get(ENV + "QUEUE"), plan)
    retry = int(os.environ.get(ENV + "RETRY") or 0)
    # Workers of xdist have to collect the same, all of it at once.
    dynamic = queue.exists() and not (
        retry or is_worker(config) or starts_workers(config) or config.option.collectonly
    )
    if not is_worker(config):
        controller = Controller(plan, config, log, folder, side_by_side, dynamic, retry)
        config.pluginmanager.register(controller)
    retries = Retries(int(os.environ.get(ENV + "RETRIES") or 0))
    if retries.times:
        config.pluginmanager.register(RerunStatus())
    if not starts_workers(config):
        if retry:
            selection = Again(plan, paths, config, folder)
        elif dynamic:
            selection = Taking(queue, paths, config, log)
        else:
            selection = Selection(plan, paths, config)
        config.pluginmanager.register(selection)
        config.pluginmanager.register(Reporter(selection, paths, config, log, retries))
        if retries.times:
            config.pluginmanager.register(retries)
        leave_environment()


def is_worker(config):
    return hasattr(config, "workerinput")


def starts_workers(config):
    """pytest-xdist distributes the tests; none will run in this process."""
    option = config.option
    distributes = getattr(option, "dist", "no") != "no" and getattr(option, "tx", None)
    return bool(distributes) and not option.collectonly and not is_worker(config)


def leave_environment():
    """A pytest that a test starts is none of ours: it finds the environment as it was before us."""
    for name in ("PLAN", "SHARD_DIR", "SIDE_BY_SIDE", "QUEUE", "RETRIES", "RETRY", "PROGRAM"):
        os.environ.pop(ENV + name, None)
    drop_entry("PYTEST_PLUGINS", NAME, ",")
    drop_entry("PYTHONPATH", os.path.dirname(HERE), os.pathsep)


def drop_entry(name, entry, separator):
    entries = os.environ.get(name, "").split(separator)
    if entry in entries:
        entries.remove(entry)
        os.environ[name] = separator.join(entries)
        if not os.environ[name]:
            del os.environ[name]


class Owners:
    """Who owns which test: the longest planned prefix of its id, else its file, else a hash of that."""

    def __init__(self, files, tests, everyone):
        self.files, self.tests, self.everyone = files, tests, everyone

    def owner(self, ids, file):
        """Of a test, and the key of `tests` that says so."""
        if self.tests:
            for node_id in ids:
                key = self.longest_key(node_id)
                if key is not None:
                    return self.tests[key], key
        return self.owner_of_file(file), None

    def owner_of_file(self, file):
        planned = self.files.get(file)
        if planned is not None:
            return planned
        digest = hashlib.sha256(file.encode("utf-8", "surrogateescape")).digest()
        return self.everyone[int.from_bytes(digest[:8], "big") % len(self.everyone)]

    def longest_key(self, node_id):
        start = len(node_id.split("::")[0])
        key = node_id
        while len(key) > start:
            if key in self.tests:
                return key
            bracket = key.find("[", start)
            key = key[:bracket] if bracket >= 0 else key.rpartition("::")[0]
        return None


class Plan(Owners):
    """plan.json: every test has a shard."""

    def __init__(self, path, shard):
        try:
            with open(path, "rb") as file:
                plan = json.loads(file.read().decode("utf-8"))
            version, shards = plan["version"], plan["shards"]
            self.digest, files, tests = plan["digest"], plan["files"], plan["tests"]
            self.queue = plan.get("queue")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise pytest.UsageError(
                "parallel-pytest cannot read the plan %s: %s: %s"
                % (path, type(error).__name__, error)
            )
        if version != 1:
            raise pytest.UsageError(
                "parallel-pytest: %s is a plan of version %s, this plugin reads version 1: use the"
                " same release for plan and run" % (path, version)
            )
        try:
            index, total = (int(number) for number in shard.split("/"))
        except ValueError:
            index, total = 0, 0
        if not 1 <= index <= total:
            raise pytest.UsageError(
                "parallel-pytest: %sSHARD is %r: write index/total, such as 3/6" % (ENV, shard)
            )
        if total != len(shards):
            raise pytest.UsageError(
                "parallel-pytest: the shard is %s, but the plan %s has %d shards: give every shard"
                " the same plan" % (shard, path, len(shards))
            )
        self.shard = "%d/%d" % (index, total)
        super().__init__(files, tests, ["%d/%d" % (each + 1, total) for each in range(total)])
        self.our_keys = {key for key, owner in self.tests.items() if owner == self.shard}
        self.our_cut_files = {key.split("::")[0] for key in self.our_keys}


class Queue:
    """The units of a plan that nobody has yet: a file for each, whose name starts with its number.

    Who moves it from the folder `todo` to `taken` has the unit, and its new name says who.
    """

    # Held here, out of reach of tests that fake the file system.
    _listdir, _rename = staticmethod(os.listdir), staticmethod(os.rename)
    _getpid = staticmethod(os.getpid)

    def __init__(self, folder, plan):
        self.folder = folder and os.path.abspath(folder)
        self.shard = plan.shard
        self.content = plan.queue
        self.pid = self._getpid()
        self.names = []

    def exists(self):
        return bool(self.folder and self.content)

    def owners(self):
        content = self.content
        return Owners(content["files"], content["tests"], range(len(content["units"])))

    def path(self, place, name):
        return os.path.join(self.folder, place, name)

    def taken(self, name):
        return self.path("taken", "%s-by-%s" % (name, self.shard.replace("/", "-of-")))

    def take(self):
        """The name of a unit that is ours from now on; None if there are none left."""
        # What a test forked is gone before it could run a unit.
        while self._getpid() == self.pid:
            if not self.names:
                # Those that a dead shard gave back come last, by their names.
                self.names = sorted(self._listdir(self.path("todo", "")), reverse=True)
            if not self.names:
                break
            name = self.names.pop()
            try:
                self._rename(self.path("todo", name), self.taken(name))
            except FileNotFoundError:
                continue
            return name
        return None

    def give_back(self, name):
        self._rename(self.taken(name), self.path("todo", name))

    @staticmethod
    def unit(name):
        return int(name.lstrip("z"))


class Paths:
    """Turns pytest's paths into those of the plan."""

    def __init__(self, root, config):
        self.base = str(config.invocation_params.dir)
        self.rootdir = str(config.rootpath)
        roots = [os.path.abspath(root), os.path.realpath(root)]
        self.prefixes = [os.path.join(path, "") for path in dict.fromkeys(roots)]
        self.installed = tuple(
            os.path.join(prefix, "")
            for prefix in {sys.prefix, sys.base_prefix}
            if self.inside(prefix)
        )
        self.files = {}
        self.sources = {HERE: None}

    def inside(self, path):
        """Relative to the root; None for what is not below it."""
        for prefix in self.prefixes:
            if path.startswith(prefix):
                return path[len(prefix) :].replace(os.sep, "/")
        return None

    def file(self, path):
        """Relative to the root where it lies below it, else absolute."""
        path = str(path)
        known = self.files.get(path)
        if known is None:
            full = os.path.normpath(os.path.join(self.rootdir, path))
            known = self.inside(full) or self.inside(os.path.realpath(full))
            known = self.files[path] = known or full.replace(os.sep, "/")
        return known

    def source(self, filename):
        """A file of the project itself, relative to the root; None for installed code."""
        if filename.startswith("<"):
            return None
        if filename not in self.sources:
            full = os.path.normpath(os.path.join(self.base, filename))
            path = self.inside(full)
            if path is not None:
                folders = path.split("/")
                if "site-packages" in folders or "dist-packages" in folders:
                    path = None
                elif full.startswith(self.installed):
                    path = None
            self.sources[filename] = path
        return self.sources[filename]

    def definition(self, item):
        path, line = item.location[:2]
        return self.file(path), None if line is None else line + 1

    def innermost(self, error):
        """Where in the project an exception came from: path and line, or two times None."""
        found = None, None
        if isinstance(error, SyntaxError) and error.filename and self.source(error.filename):
            return self.source(error.filename), error.lineno
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            path = self.source(frame.f_code.co_filename)
            if path and frame.f_locals.get("__tracebackhide__") is not True:
                found = path, traceback.tb_lineno
            traceback = traceback.tb_next
        return found

    def origin(self, error):
        """Like `innermost`; looks at the cause of an exception if it tells nothing itself."""
        seen = []
        while error is not None and error not in seen and len(seen) < 20:
            seen.append(error)
            path, line = self.innermost(error)
            if path:
                return path, line
            error = error.__cause__ or error.__context__
        return None, None


class Elsewhere(pytest.File):
    """A file that was asked for on the command line and that another shard runs."""

    def collect(self):
        return []


class Selection:
    """Leaves the tests that this shard owns."""

    def __init__(self, plan, paths, config):
        self.plan = plan
        self.paths = paths
        self.single_tests = any("::" in str(arg) for arg in config.args)
        self.used_keys = set()
        self.other = 0

    def is_elsewhere(self, path):
        """No test of this file can be ours, so that nobody needs to import it."""
        if path.name in ("conftest.py", "__init__.py"):
            return False
        file = self.paths.file(path)
        if self.plan.owner_of_file(file) == self.plan.shard:
            return False
        if self.plan.our_cut_files:
            below_rootdir = os.path.relpath(str(path), self.paths.rootdir).replace(os.sep, "/")
            if file in self.plan.our_cut_files or below_rootdir in self.plan.our_cut_files:
                return False
        return True

    def pytest_ignore_collect(self, collection_path):
        if self.is_elsewhere(collection_path) and not collection_path.is_dir():
            return True
        return None

    # pytest does not ask whether to ignore what its command line names.
    @pytest.hookimpl(hookwrapper=True)
    def pytest_collect_file(self, file_path, parent):
        outcome = yield
        if not self.single_tests and self.is_elsewhere(file_path) and outcome.get_result():
            outcome.force_result([Elsewhere.from_parent(parent, path=file_path)])

    # A wrapper, so that we choose before anyone renames (xdist) or shuffles (randomly).
    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        self.select(config, items)
        chosen = {id(item): item for item in items}
        yield
        if any(id(item) not in chosen for item in items):
            self.select(config, items, chosen)

    def select(self, config, items, chosen=()):
        ours, others = [], []
        for item in items:
            (ours if id(item) in chosen or self.is_ours(item) else others).append(item)
        if others:
            self.other += len(others)
            config.hook.pytest_deselected(items=others)
            items[:] = ours

    def is_ours(self, item):
        owner, key = owner_of(item, self.plan, self.paths)
        if owner != self.plan.shard:
            return False
        if key is not None:
            self.used_keys.add(key)
        return True

    def is_waiting(self, collector):
        return False

    def missing(self):
        """Keys of `tests` that should be ours and that no collected test had."""
        return sorted(map(valid, self.plan.our_keys - self.used_keys))


class Again(Selection):
    """Leaves the tests that failed before, whoever would own them: this shard ran them."""

    def __init__(self, plan, paths, config, folder):
        super().__init__(plan, paths, config)
        with open(os.path.join(folder, "retry.json"), "rb") as file:
            wanted = json.loads(file.read().decode("utf-8"))
        self.tests, self.test_files = set(wanted["tests"]), set(wanted["files"])

    def is_elsewhere(self, path):
        if path.name in ("conftest.py", "__init__.py"):
            return False
        return valid(self.paths.file(path)) not in self.test_files

    def is_ours(self, item):
        owner_of(item, self.plan, self.paths)
        return valid(item.nodeid) in self.tests

    def missing(self):
        return []


def owner_of(item, owners, paths):
    """Of a test, and the key of `tests` that says so. Notes what it was called when it was collected."""
    node_id = item.nodeid
    file = item.parallel_pytest_file = collected_file(item, paths)
    item.parallel_pytest_id = node_id
    ids = (node_id, file + node_id[len(node_id.split("::")[0]) :]) if owners.tests else ()
    return owners.owner(ids, file)


class Taking:
    """Runs unit after unit, while there are any. Collection stops at the files; those of a unit are
    imported when it is ours."""

    other = 0

    def __init__(self, queue, paths, config, log):
        self.queue = queue
        self.owners = queue.owners()
        self.paths = paths
        self.log = log
        # Single tests are looked for in their files, so these are collected at once.
        self.at_once = any("::" in str(arg) for arg in config.args)
        self.reporter = None
        # The unit that runs, and the name of one that is ours and has not begun.
        self.unit = self.next = None
        self.units_of, self.files_of = {}, {}
        for key, unit in list(self.owners.files.items()) + list(self.owners.tests.items()):
            self.belongs(key.split("::")[0], unit)
        # Not collected yet, by file; and collected with another unit, by their own.
        self.waiting, self.aside = {}, {}
        self.session, self.total = None, 0

    def belongs(self, file, unit):
        self.units_of.setdefault(file, set()).add(unit)
        self.files_of.setdefault(unit, {})[file] = True

    def missing(self):
        return []

    def begin(self):
        """Whether there was another unit."""
        self.unit = None
        name, self.next = self.next or self.queue.take(), None
        if name is None:
            return False
        self.unit = self.queue.unit(name)
        self.log.write({"e": "unit", "unit": self.unit, "at": self.log.now()})
        return True

    def end(self):
        if self.unit is not None:
            self.log.write({"e": "unit_end", "unit": self.unit, "at": self.log.now()})

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self):
        self.begin()

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector):
        if self.at_once or not isinstance(collector, pytest.File) or isinstance(collector, pytest.Package):
            return None
        file = self.paths.file(collector.path)
        if file not in self.units_of:
            self.belongs(file, self.owners.owner_of_file(file))
        if self.unit in self.units_of[file]:
            return None
        self.waiting.setdefault(file, []).append(collector)
        return pytest.CollectReport(collector.nodeid, "passed", None, [])

    def is_waiting(self, collector):
        return any(collector is node for node in self.waiting.get(self.paths.file(collector.path), ()))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        self.select(items)
        chosen = {id(item): item for item in items}
        yield
        if any(id(item) not in chosen for item in items):
            self.select(items, chosen)

    def select(self, items, chosen=()):
        ours = []
        for item in items:
            unit = self.unit if id(item) in chosen else owner_of(item, self.owners, self.paths)[0]
            (ours if unit == self.unit else self.aside.setdefault(unit, [])).append(item)
        items[:] = ours

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        config = session.config
        self.session, self.total = session, session.testscollected
        # pytest would not begin after an error of collection: here others may have begun long ago.
        stop_at_errors(session)
        try:
            last = None
            while self.unit is not None:
                items = session.items
                if items and last is not None:
                    self.leave(last, items[0])
                for index, last in enumerate(items):
                    more = index + 1 < len(items)
                    following = items[index + 1] if more else Upcoming(self)
                    config.hook.pytest_runtest_protocol(item=last, nextitem=following)
                    if not more:
                        self.end()
                    stop_at_errors(session)
                if not items:
                    self.end()
                if self.begin():
                    self.collect(session)
                    stop_at_errors(session)
            if last is not None:
                self.leave(last, None)
        finally:
            if self.next is not None:
                self.queue.give_back(self.next)
        return True

    def collect(self, session):
        """The tests of a unit, by the way of all tests."""
        config = session.config
        self.reporter.begin()
        items = session.items = self.aside.pop(self.unit, [])
        for file in self.files_of.get(self.unit, ()):
            for node in self.waiting.pop(file, ()):
                items.extend(session.genitems(node))
        hook = config.hook
        hook.pytest_collection_modifyitems(session=session, config=config, items=items)
        self.total += len(items)
        session.testscollected = self.total
        # It would say after each unit how many tests there are.
        terminal = config.pluginmanager.getplugin("terminalreporter")
        finished = config.pluginmanager.subset_hook_caller("pytest_collection_finish", [terminal])
        finished(session=session)

    def upcoming(self):
        """A node of the unit after this one, which is ours from now on."""
        if self.next is None:
            self.next = self.queue.take()
        if self.next is None:
            return None
        unit = self.queue.unit(self.next)
        for item in self.aside.get(unit, ()):
            return item
        for file in self.files_of.get(unit, ()):
            for node in self.waiting.get(file, ()):
                return node
        return self.session

    def leave(self, item, following):
        """Tears down what is left of the unit before: the next one turned out to have other tests."""
        state = item.session._setupstate
        call = pytest.CallInfo.from_call(lambda: state.teardown_exact(following), "teardown")
        if call.excinfo is not None:
            # The test is over and told; this is nobody's.
            item.session.testsfailed += 1
            text = "after %s: %s" % (item.nodeid, call.excinfo.exconly())
            complain(text)
            self.log.write({"e": "internal_error", "text": clip(text, TEXT_LIMIT, 0.5)})


class Upcoming:
    """In place of the next test, which nobody knows before its unit is taken. It is taken as late as
    can be: when the test before it has run, and its fixtures are about to go."""

    def __init__(self, taking):
        self._taking = taking

    def listchain(self):
        node = self._taking.upcoming()
        return [] if node is None else node.listchain()

    def __getattr__(self, name):
        return getattr(self._taking.upcoming(), name)


def stop_at_errors(session):
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def collected_file(item, paths):
    """The file that pytest was asked about when it came to this item."""
    for node in item.listchain():
        if isinstance(node, pytest.File) and not isinstance(node, pytest.Package):
            return paths.file(node.path)
    return paths.file(item.path)


class Log:
    """Appends events to a file, each with one write, so that a kill loses none.

    What a full disk does not take is kept, and comes before all that follows: where there is room
    again before the end, nothing is lost.
    """

    # Held here, out of reach of tests that fake the clock or the file system.
    _open, _write = staticmethod(os.open), staticmethod(os.write)
    _read, _fstat = staticmethod(os.pread), staticmethod(os.fstat)
    _getpid = staticmethod(os.getpid)
    _time, _clock = staticmethod(time.time), staticmethod(time.perf_counter)
    encode = json.JSONEncoder(separators=(",", ":")).encode

    def __init__(self, path):
        self.path = path
        self.pid = self._getpid()
        self.offset = self._time() - self._clock()
        self.broken = False
        self.left, self.lost = bytearray(), False
        self.open()

    def open(self):
        self.fd = self._open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self.identity = self.identify()

    def identify(self):
        try:
            status = self._fstat(self.fd)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def now(self):
        """Seconds since 1970, whatever tests do to the clock."""
        return self.offset + self._clock()

    def write(self, event, after_others=False):
        self.append(self.encode(event), after_others)

    def append(self, line, after_others=False):
        """`after_others`: the last writer may be another process, killed within its line."""
        if self._getpid() != self.pid:
            return
        data, written = (line + "\n").encode("ascii"), 0
        try:
            # A test may have closed every descriptor it found, and its number may be another file.
            if self.identify() != self.identity:
                self.open()
            if after_others and not self.left and not self.ends_with_line():
                data = b"\n" + data
            while self.left:
                del self.left[: self._write(self.fd, self.left)]
            while written < len(data) and not self.lost:
                written += self._write(self.fd, data[written:])
        except OSError as error:
            # No gaps: what is lost is lost to the end, or nobody would miss it.
            self.lost = self.lost or len(self.left) > LEFT_LIMIT
            if not self.lost:
                self.left += data[written:]
            if not self.broken:
                self.broken = True
                complain("cannot write %s: %s" % (self.path, error))

    def close(self):
        """Says what is lost, where the tool may still hear it."""
        if (self.left or self.lost) and self._getpid() == self.pid:
            complain("%s could not be written to its end: what is not there is lost" % self.path)

    def ends_with_line(self):
        size = self._fstat(self.fd).st_size
        return size == 0 or self._read(self.fd, 1, size - 1) == b"\n"


class RerunStatus:
    """What pytest shows of an attempt that does not count: the same as pytest-rerunfailures."""

    def pytest_report_teststatus(self, report):
        if report.outcome != "rerun":
            return None
        if hasattr(report, "context"):
            return "", "", ""
        return "rerun", "R", ("RERUN", {"yellow": True})


class Retries:
    """Runs the tests of this process that failed again, once all others are through."""

    def __init__(self, times):
        self.times = times
        # By node id, those of the round that is on, and how often each was run again.
        self.failed, self.tries = {}, {}

    def take(self, report, item):
        """Takes a report for one of an attempt that does not count, where that is so."""
        node_id = report.nodeid
        if item is None or item.nodeid != node_id:
            return False
        # That a subtest failed, the report of its test says only later.
        failed = report.outcome == "failed"
        if node_id not in self.failed:
            tried = self.tries.get(node_id, 0)
            chance = len(self.tries) + len(self.failed) < MOST_RETRIED
            if not failed or tried >= self.times or not (tried or chance):
                return False
            self.failed[node_id] = item
        elif not failed and (report.when != "call" or hasattr(report, "context")):
            return False
        report.outcome = "rerun"
        return True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self, session):
        outcome = yield
        if outcome.excinfo is not None:
            return
        # A worker of pytest-xdist says by index which test its reports are about.
        plugins = session.config.pluginmanager.get_plugins()
        workers = [plugin for plugin in plugins if hasattr(plugin, "item_index")]
        while self.failed:
            items, self.failed = list(self.failed.values()), {}
            for item, following in zip(items, items[1:] + [None]):
                self.tries[item.nodeid] = self.tries.get(item.nodeid, 0) + 1
                forget_subtests(session.config)
                for worker in workers:
                    worker.item_index = session.items.index(item)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)


def forget_subtests(config):
    """pytest fails a test in which it has counted subtests that failed, in whichever attempt."""
    key = getattr(sys.modules.get("_pytest.subtests"), "failed_subtests_key", None)
    if key is not None and key in config.stash:
        config.stash[key].clear()


class Reporter:
    """Logs the tests that run in this process."""

    def __init__(self, selection, paths, config, log, retries):
        self.retries = retries
        self.item = None
        self.selection = selection
        selection.reporter = self
        self.paths = paths
        self.log = log
        worker = getattr(config, "workerinput", {})
        self.by_worker = ',"worker":%s' % quote(worker["workerid"]) if worker else ""
        # All workers collect the same; one of them tells.
        self.tells_collection = not worker or bool(worker.get(NAME))
        self.began = log.now()
        self.ids = {}
        self.imports = {}
        self.nested = []
        self.running = ""
        self.again = None
        # What passed says nothing before its test has finished, so it waits for that: one write for four.
        self.passed = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self):
        self.begin()

    def begin(self):
        self.began = self.log.now()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector):
        began = self.log.now()
        outcome = yield
        if is_imported(collector) and not self.selection.is_waiting(collector):
            file = self.paths.file(collector.path)
            self.imports[file] = self.imports.get(file, 0.0) + self.log.now() - began
        if outcome.excinfo is None:
            report = outcome.get_result()
            excinfo = getattr(getattr(report, "call", None), "excinfo", None)
            if excinfo is not None:
                report.parallel_pytest = self.paths.origin(excinfo.value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report):
        place = report.__dict__.pop("parallel_pytest", NOWHERE)
        if report.outcome == "passed" or not self.tells_collection:
            return
        event = {"e": "collect_error" if report.outcome == "failed" else "collect_skip"}
        event["what"] = valid(report.nodeid)
        self.tell_why(event, report, place)
        self.log.write(event)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session):
        for item in session.items:
            if item.nodeid != getattr(item, "parallel_pytest_id", item.nodeid):
                self.ids[item.nodeid] = item.parallel_pytest_id
        if not self.tells_collection:
            return
        items = []
        for item in session.items:
            path, line = self.paths.definition(item)
            told = {
                "id": self.id_of(item.nodeid),
                "file": valid(getattr(item, "parallel_pytest_file", path)),
                "path": valid(path),
                "line": line,
            }
            groups = groups_of(item)
            if groups:
                told["groups"] = groups
            items.append(told)
        now = self.log.now()
        self.log.write(
            {
                "e": "items",
                "at": now,
                "seconds": round(now - self.began, 6),
                "items": items,
                "other": self.selection.other,
                "missing": self.selection.missing(),
                "imports": [[valid(file), round(took, 6)] for file, took in self.imports.items()],
            }
        )
        self.imports = {}

    def id_of(self, node_id):
        return valid(self.ids.get(node_id, node_id))

    # The lines that every test writes are put together by hand: that is three times as fast.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid):
        self.running = nodeid
        if nodeid == self.again:
            return
        self.log.append(
            '{"e":"start","id":%s,"at":%.6f%s}'
            % (quote(self.id_of(nodeid)), self.log.now(), self.by_worker)
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid):
        if nodeid == self.again:
            return
        self.passed.append(
            '{"e":"finish","id":%s,"at":%.6f}' % (quote(self.id_of(nodeid)), self.log.now())
        )
        self.tell()

    def tell(self):
        self.log.append("\n".join(self.passed))
        self.passed = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        now = self.log.now()
        self.item = item
        outcome = yield
        if outcome.excinfo is None:
            place = self.paths.innermost(call.excinfo.value) if call.excinfo else NOWHERE
            # Plain data, because subtests and xdist copy reports by way of JSON.
            outcome.get_result().parallel_pytest = now, place

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        end, place = report.__dict__.pop("parallel_pytest", None) or (self.log.now(), NOWHERE)
        retried = self.retries.times and self.retries.take(report, self.item)
        line = '{"e":"phase","id":%s,"when":"%s","outcome":"%s","at":%.6f,"seconds":%.6f%s' % (
            quote(self.id_of(report.nodeid)),
            report.when if report.when in ("setup", "call", "teardown") else "call",
            outcome_of(report),
            end - report.duration,
            report.duration,
            self.by_worker,
        )
        details = self.details(report, place)
        # Some versions of rerunfailures begin and end each attempt: for us it is one test.
        if report.outcome == "rerun" and not retried:
            self.again = report.nodeid
        elif report.when != "teardown":
            self.again = None
        self.passed.append(line + ("," + self.log.encode(details)[1:] if details else "}"))
        if details:
            self.tell()

    def details(self, report, place):
        """What there is to say beyond that and when something passed."""
        details = {}
        if hasattr(report, "wasxfail"):
            reason = str(report.wasxfail or "")
            reason = reason[8:] if reason.startswith("reason: ") else reason
            details["xfail"] = clip(reason, MESSAGE_LIMIT, 1.0)
        if hasattr(report, "context"):
            details["subtest"] = clip(subtest_description(report.context), MESSAGE_LIMIT, 1.0)
        if report.longrepr is not None:
            self.tell_why(details, report, place)
        if report.when == "teardown" and report.user_properties:
            details["properties"] = [
                [clip(str(part), MESSAGE_LIMIT, 1.0) for part in pair]
                for pair in report.user_properties[:PROPERTIES_LIMIT]
            ]
        if outcome_of(report) in ("failed", "rerun"):
            details["out"] = clip(report.capstdout, TEXT_LIMIT, 0.0)
            error = report.capstderr
            if report.caplog:
                error += "----- log -----\n" + report.caplog
            details["err"] = clip(error, TEXT_LIMIT, 0.0)
        return details

    def tell_why(self, event, report, place):
        """Adds the message, the text and the place of a failure or skip."""
        longrepr = report.longrepr
        if isinstance(longrepr, tuple) and len(longrepr) == 3:
            path, line, message = longrepr
            place, text = (self.paths.source(str(path)), line), ""
            message = message[9:] if message.startswith("Skipped: ") else message
        else:
            text = report.longreprtext
            message = summary(longrepr, text)
        event["message"] = clip(message, MESSAGE_LIMIT, 1.0)
        event["text"] = clip(text, TEXT_LIMIT, 0.5)
        if place[0]:
            event["path"], event["line"] = valid(place[0]), place[1]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef, request):
        if fixturedef.scope not in SHARED_SCOPES:
            yield
            return
        began = self.log.now()
        self.nested.append(0.0)
        yield
        seconds = self.log.now() - began
        # What a fixture fetched by request.getfixturevalue took is told by its own event.
        own = seconds - self.nested.pop()
        if self.nested:
            self.nested[-1] += seconds
        if own >= FIXTURE_FLOOR:
            self.log.write(
                {
                    "e": "fixture",
                    "scope": fixturedef.scope,
                    "name": valid(fixturedef.argname),
                    "node": self.id_of(request.node.nodeid),
                    "seconds": round(own, 6),
                    "test": self.id_of(self.running),
                }
            )


def is_imported(collector):
    """A test file, and not one whose tests other shards run."""
    return isinstance(collector, pytest.File) and not isinstance(
        collector, (pytest.Package, Elsewhere)
    )


def groups_of(item):
    """Names that tests share which have to run in one process: `g:` for the whole suite, `m:` for
    the file, `c:` for the class, `f:` for the function."""
    groups = ["f:parameters"] if is_positional(item) else []
    for mark in item.iter_markers():
        if mark.name not in TIES:
            continue
        if mark.name == "xdist_group":
            groups.append("g:%s" % (mark.args[0] if mark.args else mark.kwargs.get("name", "default")))
        elif mark.name == "incremental":
            groups.append("c:incremental")
        else:
            wide = mark.kwargs.get("scope") in ("session", "package")
            groups.append("g:dependency" if wide else "m:dependency")
    return sorted(set(map(valid, groups)))


def is_positional(item):
    """Whether the id tells the place of a parameter that may have another one in every process: `obj0`
    of a set whose order comes from addresses."""
    callspec = getattr(item, "callspec", None)
    places = getattr(callspec, "indices", None)
    if not places:
        return False
    parts = callspec.id.split("-")
    # Older ones have two kinds.
    values = dict(getattr(callspec, "funcargs", ()), **callspec.params)
    return any(
        "%s%s" % place in parts and not is_plain(values.get(place[0])) for place in places.items()
    )


def is_plain(value, depth=3):
    """Its hash, if it has one, is the same in every process with the plan's PYTHONHASHSEED."""
    kind = type(value)
    if kind in (str, bytes, int, float, complex, bool):
        return True
    if kind is dict:
        value = list(value) + list(value.values())
    elif kind not in (list, tuple, set, frozenset):
        return False
    return depth > 0 and len(value) <= 100 and all(is_plain(each, depth - 1) for each in value)


def outcome_of(report):
    if report.outcome in ("passed", "failed", "skipped", "rerun"):
        return report.outcome
    return "failed" if report.longrepr else "passed"


def subtest_description(context):
    """As pytest says it: what the subtest is called and its parameters."""
    parts = [] if context.msg is None else ["[%s]" % context.msg]
    if context.kwargs:
        parts.append("(%s)" % ", ".join("%s=%s" % pair for pair in context.kwargs.items()))
    return " ".join(parts) or "(<subtest>)"


def summary(longrepr, text):
    """The line of pytest's short summary; for what has none, the first that says an error."""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None and crash.message:
        return crash.message.split("\n", 1)[0]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for line in lines:
        if line.startswith("E "):
            return line[2:].strip()
    return lines[-1] if lines else ""


class Controller:
    """What there is once per session: its begin, its end, and what goes wrong around the tests."""

    def __init__(self, plan, config, log, folder, side_by_side, dynamic, retry):
        self.plan = plan
        self.config = config
        self.log = log
        self.folder = folder
        self.program = os.environ.get(ENV + "PROGRAM")
        self.root = os.path.realpath(os.environ.get(ENV + "ROOT") or ".")
        self.session = None
        self.failed_inside = False
        self.first_worker = True
        self.junit = self.direct_junit(side_by_side)
        if side_by_side:
            self.keep_apart()
        threshold = self.take_coverage_threshold()
        if not plan.shard.endswith("/1"):
            self.drop_coverage_tables()
        event = {
            "e": "session",
            "version": 1,
            "shard": plan.shard,
            "digest": plan.digest,
            "at": log.now(),
            "pytest": pytest.__version__,
            "python": sys.version.split()[0],
        }
        if threshold:
            event["cov_fail_under"] = threshold
        if dynamic:
            event["dynamic"] = True
            # What it measures is written at its end.
            event["measures"] = self.measures()
        if retry:
            event["retry"] = retry
        if config.getoption("collectonly", False):
            event["collect_only"] = True
        log.write(event, after_others=True)

    def direct_junit(self, side_by_side):
        """The file pytest was asked to write; None if it was not, or if that is ours now."""
        option = self.config.option
        if not self.config.pluginmanager.hasplugin("junitxml") or not option.xmlpath:
            return None
        if not side_by_side:
            path = os.path.expanduser(os.path.expandvars(option.xmlpath))
            return os.path.normpath(os.path.abspath(path))
        option.xmlpath = os.path.join(self.folder, "junit.xml")
        return None

    def keep_apart(self):
        """Shards in one working directory must not write the same files."""
        config = self.config
        if config.getoption("basetemp", None):
            base = os.path.abspath(config.option.basetemp)
            os.makedirs(base, exist_ok=True)
            config.option.basetemp = os.path.join(base, self.plan.shard.replace("/", "-of-"))
        defaults = {
            "xml": "coverage.xml",
            "html": "htmlcov",
            "json": "coverage.json",
            "lcov": "coverage.lcov",
            "annotate": "annotated",
        }
        for options in self.coverage_options():
            targets = getattr(options, "cov_report", None)
            if isinstance(targets, dict):
                for kind in targets:
                    if kind and not kind.startswith("term"):
                        name = os.path.basename(targets[kind] or "") or defaults.get(kind, kind)
                        targets[kind] = os.path.join(self.folder, name)

    def coverage_options(self):
        """pytest-cov reads an early copy of the options."""
        plugin = self.config.pluginmanager.getplugin("_cov")
        return [self.config.option] + ([plugin.options] if hasattr(plugin, "options") else [])

    def take_coverage_threshold(self):
        """A shard covers only a part: the merged result is what a threshold judges."""
        wanted = None
        for options in self.coverage_options():
            if getattr(options, "cov_fail_under", None):
                wanted = float(options.cov_fail_under)
                options.cov_fail_under = 0
        return wanted

    def drop_coverage_tables(self):
        """In the terminal, that of a shard says little; coverage.py takes long for it."""
        for options in self.coverage_options():
            targets = getattr(options, "cov_report", None)
            if isinstance(targets, dict):
                for kind in [kind for kind in targets if kind.startswith("term")]:
                    del targets[kind]
            elif targets:
                options.cov_report = {}

    def pytest_report_header(self):
        return "parallel-pytest: shard %s of plan %s" % (self.plan.shard, self.plan.digest[:12])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        self.session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node):
        node.workerinput[NAME] = self.first_worker
        self.first_worker = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        node = getattr(report, "node", None)
        # Workers log for themselves, unless they crash: xdist then makes up a report.
        if node is None or report.when in ("setup", "call", "teardown"):
            return
        now, worker = self.log.now(), node.gateway.id
        test = self.running_on(worker) or valid(report.nodeid)
        message = clip(report.longreprtext, MESSAGE_LIMIT, 1.0)
        self.log.write(
            {
                "e": "phase",
                "id": test,
                "when": "call",
                "outcome": outcome_of(report),
                "at": now,
                "seconds": 0.0,
                "worker": worker,
                "crashed": True,
                "message": message,
                "text": message,
            },
            after_others=True,
        )
        if report.outcome != "rerun":
            self.log.write({"e": "finish", "id": test, "at": now})

    def running_on(self, worker):
        """The id of the test that a worker has begun and not finished."""
        running = None
        with contextlib.suppress(OSError), open(self.log.path, "rb") as lines:
            for line in lines:
                if b'"start"' not in line and b'"finish"' not in line and b'"session"' not in line:
                    continue
                try:
                    event = json.loads(line.decode("utf-8"))
                except ValueError:
                    continue
                if event["e"] == "start" and event.get("worker") == worker:
                    running = event["id"]
                elif event["e"] == "session":
                    running = None
                elif event["e"] == "finish" and event["id"] == running:
                    running = None
        return running

    def pytest_internalerror(self, excrepr):
        self.failed_inside = True
        self.log.write(
            {"e": "internal_error", "text": clip(str(excrepr), TEXT_LIMIT, 0.5)}, after_others=True
        )

    def pytest_keyboard_interrupt(self, excinfo):
        text = str(excinfo.value) or excinfo.typename
        # Collection errors end a session like Ctrl-C does; they are in the log already.
        if not text.endswith("during collection"):
            self.log.write({"e": "interrupted", "text": clip(text, MESSAGE_LIMIT, 1.0)})

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if isinstance(session.shouldfail, str) and not starts_workers(self.config):
            text = clip(session.shouldfail, MESSAGE_LIMIT, 1.0)
            self.log.write({"e": "interrupted", "text": text})
        try:
            self.write_coverage()
        except Exception as error:
            complain("coverage.json was not written: %s: %s" % (type(error).__name__, error))

    def write_coverage(self):
        measured = self.measured_coverage()
        if measured is None:
            return
        here = os.getcwd()
        os.chdir(str(self.config.invocation_params.dir))
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                if not self.let_program_report(measured):
                    self.report(measured, os.path.join(self.folder, "coverage.json"))
        finally:
            os.chdir(here)

    @staticmethod
    def report(measured, path, files=None):
        """Lets coverage.py itself write its JSON report, of all files or of some."""
        temporary = "%s.%d" % (path, os.getpid())
        try:
            if measured.get_option("run:branch") and not measured.get_data().has_arcs():
                # Nothing ran, and data without lines say nothing about branches by themselves.
                measured.get_data().add_arcs({})
            measured.json_report(
                morfs=files,
                outfile=temporary,
                ignore_errors=True,
                show_contexts=False,
                omit=list(measured.get_option("report:omit") or []) + [HERE],
            )
            os.replace(temporary, path)
        except Exception as error:
            # The tests of this shard may measure nothing.
            if type(error).__name__ != "NoDataError":
                raise
        finally:
            with contextlib.suppress(OSError):
                os.remove(temporary)

    def let_program_report(self, measured):
        """Whether our program wrote the report; it knows what these versions count."""
        coverage = sys.modules["coverage"]
        if (
            not self.program
            or not (7, 17) <= coverage.version_info[:2] < (8, 0)
            or not (3, 11) <= sys.version_info[:2] <= (3, 13)
            or sys.implementation.name != "cpython"
            or measured.get_option("report:contexts")
        ):
            return False
        measured.save()
        data = measured.get_data()
        request = {
            "data": os.path.abspath(data.data_filename()),
            "reported": None,
            "branch": bool(measured.get_option("run:branch") or data.has_arcs()),
            "exclude": measured.get_exclude_list("exclude"),
            "partial": measured.get_exclude_list("partial")
            + measured.get_exclude_list("partial_always"),
            "include": measured.get_option("report:include") or [],
            "omit": list(measured.get_option("report:omit") or []) + [HERE],
            "output": self.folder,
        }
        try:
            # Where coverage.py began.
            request["place"] = coverage.files.relative_directory()
            # Only coverage.py knows the sources of its plugins, and of a module in an archive.
            others = [
                file
                for file in data.measured_files()
                if data.file_tracer(file) or not os.path.isfile(os.path.join(request["place"], file))
            ]
            if others:
                request["reported"] = os.path.join(self.folder, "coverage", "plugins.json")
                self.report(measured, request["reported"], others)
            process = subprocess.run(
                [self.program, "measured"],
                cwd=self.root,
                input=json.dumps(request).encode("utf-8"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, AttributeError, ValueError):
            return False
        return process.returncode == 0

    def measures(self):
        coverage = sys.modules.get("coverage")
        running = coverage.Coverage.current() if hasattr(coverage, "Coverage") else None
        return running is not None or any(
            getattr(options, "cov_source", None) for options in self.coverage_options()
        )

    def measured_coverage(self):
        """pytest-cov's combined data, or that of `coverage run -m pytest`."""
        controller = getattr(self.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        if controller is not None:
            # Ctrl-C goes past pytest-cov; what it measured would be lost.
            if getattr(controller, "started", False):
                controller.finish()
            return controller.cov
        coverage = sys.modules.get("coverage")
        return coverage.Coverage.current() if hasattr(coverage, "Coverage") else None

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        if self.junit and os.path.isfile(self.junit):
            target = os.path.join(self.folder, "junit.xml")
            if os.path.abspath(target) != self.junit:
                temporary = "%s.%d" % (target, os.getpid())
                shutil.copyfile(self.junit, temporary)
                os.replace(temporary, target)
        self.log.write({"e": "end", "exit": self.exit_status(), "at": self.log.now()}, after_others=True)
        self.log.close()
        # Before it ends, Python would look twice through all objects of the suite for cycles: a second
        # for 10,000 tests.
        if hasattr(gc, "freeze"):
            gc.freeze()

    def exit_status(self):
        if isinstance(sys.exc_info()[1], pytest.UsageError):
            return 4
        if self.session is not None:
            return int(self.session.exitstatus)
        return 3 if self.failed_inside else 0


def valid(text):
    """Lone surrogates become visible escapes: they are no UTF-8, and strict readers refuse them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def clip(text, limit, head):
    """At most `limit` bytes of UTF-8, with the share `head` of them from the beginning."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode("utf-8")
    marker = b"[... %d bytes cut ...]"
    room = limit - len(marker % len(data)) - 2
    first = data[: int(room * head)].decode("utf-8", "ignore")
    last = data[len(data) - (room - int(room * head)) :].decode("utf-8", "ignore")
    cut = len(data) - len(first.encode("utf-8")) - len(last.encode("utf-8"))
    breaks = "\n" if limit == TEXT_LIMIT else " "
    return (first + breaks if first else "") + (marker % cut).decode() + (breaks + last if last else "")


def complain(text):
    print("parallel-pytest: " + text, file=sys.__stderr__, flush=True)
