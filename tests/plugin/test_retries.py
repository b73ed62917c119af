"""Tests that failed are run again at the end of the shard, without a plugin for that."""

import json

FLAKY = """
    import pathlib
    import pytest

    tries = []

    @pytest.fixture(scope="module")
    def shared():
        tries.append("set up")

    def test_flaky(shared):
        tries.append("flaky")
        assert tries.count("flaky") == 2

    def test_hopeless():
        assert 0, "never"

    @pytest.fixture
    def fragile():
        tries.append("fragile")
        assert tries.count("fragile") > 1
        yield
        assert tries.count("fragile") > 2

    def test_set_up(fragile):
        pass

    def test_fine():
        tries.append("fine")
"""


def attempts(result, name):
    return [(event["when"], event["outcome"]) for event in result.of("phase", id="test_a.py::" + name) if event["outcome"] != "passed"]


def test_what_failed_is_run_again_when_all_others_are_through(any_project):
    any_project.write({"test_a.py": FLAKY})
    any_project.plan(1)
    result = any_project.run("1/1", "-p", "no:cacheprovider", env={"PARALLEL_PYTEST_RETRIES": "2"})
    assert result.exit == 1, result.out
    assert attempts(result, "test_flaky") == [("call", "rerun")]
    assert attempts(result, "test_hopeless") == [("call", "rerun"), ("call", "rerun"), ("call", "failed")]
    assert attempts(result, "test_set_up") == [("setup", "rerun"), ("teardown", "rerun")]
    assert attempts(result, "test_fine") == []
    order = [event["id"].split("::")[1] for event in result.of("start")]
    again = ["test_flaky", "test_hopeless", "test_set_up"]
    assert order == [*again, "test_fine", *again, *again[1:]]
    assert "1 failed, 4 passed, 5 rerun" in result.out


def test_a_test_that_passes_at_last_makes_the_shard_pass(any_project):
    any_project.write({"test_a.py": "tries = []\ndef test_flaky():\n    tries.append(1)\n    assert len(tries) == 2\n"})
    any_project.plan(1)
    result = any_project.run("1/1", "-x", env={"PARALLEL_PYTEST_RETRIES": "1"})
    assert result.exit == 0, result.out
    assert len(result.of("finish")) == 2


def test_without_retries_nothing_is_run_again(project):
    project.write({"test_a.py": FLAKY})
    project.plan(1)
    result = project.run("1/1")
    assert len(result.of("start")) == 4 and not result.of("phase", outcome="rerun")


def test_workers_run_their_own_failures_again(any_project):
    any_project.write({"test_a.py": FLAKY, "test_b.py": "def test_it():\n    pass\n"})
    any_project.plan(1)
    result = any_project.run("1/1", "-n2", "--dist=loadfile", env={"PARALLEL_PYTEST_RETRIES": "2"})
    assert result.exit == 1, result.out + result.err
    assert attempts(result, "test_flaky") == [("call", "rerun")]
    assert attempts(result, "test_hopeless")[-1] == ("call", "failed")
    assert "1 failed, 5 passed, 5 rerun" in result.out


def test_a_subtest_that_failed_is_forgiven_with_its_attempt(project):
    project.write(
        {
            "test_a.py": """
                tries = []

                def test_it(subtests):
                    tries.append(1)
                    with subtests.test("part"):
                        assert len(tries) == 2
            """
        }
    )
    project.plan(1)
    result = project.run("1/1", env={"PARALLEL_PYTEST_RETRIES": "1"})
    assert result.exit == 0, result.out
    said = [(event.get("subtest"), event["outcome"]) for event in result.of("phase", when="call")]
    assert said == [("[part]", "rerun"), (None, "rerun"), ("[part]", "passed"), (None, "passed")]


def test_where_too_many_fail_it_is_not_chance(project):
    tests = "import pytest\n@pytest.mark.parametrize('n', range(150))\ndef test_it(n):\n    assert 0\n"
    project.write({"test_a.py": tests})
    project.plan(1)
    result = project.run("1/1", "-q", env={"PARALLEL_PYTEST_RETRIES": "1"})
    assert len(result.of("start")) == 250
    assert "150 failed, 100 rerun" in result.out


def test_what_rerunfailures_runs_twice_is_told_twice(project):
    """With subtests it goes past its own --only-rerun: the call of the test itself has raised nothing."""
    project.write({"test_a.py": "def test_it(subtests):\n    with subtests.test('part'):\n        assert 0\n"})
    project.plan(1)
    result = project.run("1/1", "--reruns=1", "--only-rerun=socket", "-p", "no:cacheprovider")
    assert "1 rerun" in result.out
    assert len([event for event in result.of("phase", outcome="rerun") if "subtest" not in event]) == 1


def test_a_retry_of_its_own_runs_what_it_is_told_and_imports_no_other_file(any_project):
    tests = "import pytest\n@pytest.mark.parametrize('n', ['one', 'tw\u00f6'])\ndef test_it(n):\n    pass\n"
    any_project.write({"test_a.py": tests, "sub/test_b.py": tests, "test_c.py": "raise RuntimeError\n"})
    # What shard 2 owns may have been taken from a queue by shard 1.
    any_project.plan(2, files={"test_a.py": "1/2", "sub/test_b.py": "2/2", "test_c.py": "1/2"})
    wanted = {"tests": ["sub/test_b.py::test_it[tw\\xf6]"], "files": ["sub/test_b.py"]}
    for turn, arguments in enumerate(((), ("-n2",)), 1):
        folder = any_project.root.parent / ("shard-%d" % turn)
        folder.mkdir()
        (folder / "retry.json").write_text(json.dumps(wanted))
        result = any_project.run("1/2", *arguments, env={"PARALLEL_PYTEST_RETRY": "3"})
        assert result.exit == 0, result.out
        assert result.one("session")["retry"] == 3
        assert result.ids == wanted["tests"]
        assert result.one("items")["missing"] == []
