import fcntl

import fleets
import pytest

# Projects that the tests run, not tests of this one.
collect_ignore = ["example"]


def pytest_configure(config):
    config.addinivalue_line("markers", "all_networks: takes all networks that the engine has addresses for")


@pytest.fixture(scope="session")
def engine():
    engine = fleets.Engine()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def room_for_networks(request):
    """An engine has addresses for 30 networks. The test that takes them all waits until no other run of these tests needs one."""
    fleets.CACHE.mkdir(parents=True, exist_ok=True)
    with open(fleets.CACHE / "networks.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if "all_networks" in request.keywords else fcntl.LOCK_SH)
        yield


@pytest.fixture
def project(tmp_path, engine):
    project = fleets.Project(tmp_path, engine)
    yield project
    project.remove_all()


@pytest.fixture
def neighbour(tmp_path, engine):
    """Somebody else's project on the same engine, in a folder of the same name."""
    project = fleets.Project(tmp_path / "neighbour", engine)
    yield project
    project.remove_all()


@pytest.fixture
def shop(tmp_path, engine):
    project = fleets.Shop(tmp_path, engine)
    yield project
    project.remove_all()
