import pytest
from doubles import Stub

collect_ignore = ["suites"]


@pytest.fixture
def stub(tmp_path):
    stub = Stub(tmp_path / "stub")
    yield stub
    stub.stop()
