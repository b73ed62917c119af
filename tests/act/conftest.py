import pytest
from doubles import Prism, Stub

collect_ignore = ["suites"]


@pytest.fixture(scope="session")
def prism():
    prism = Prism()
    yield prism
    prism.stop()


@pytest.fixture
def stub(tmp_path, prism):
    stub = Stub(tmp_path / "stub", prism)
    yield stub
    stub.stop()
