import fleets
import pytest

# Projects that the tests run, not tests of this one.
collect_ignore = ["example"]


@pytest.fixture(scope="session")
def engine():
    engine = fleets.Engine()
    yield engine
    engine.stop()


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
