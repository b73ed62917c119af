"""Under pytest-xdist: workers select and log, the controller tells the rest."""

import pytest
from test_selection import SUITE, check_union


@pytest.mark.parametrize("dist", ["load", "loadscope"])
def test_the_union_is_the_serial_run(any_project, dist):
    any_project.write(SUITE)
    serial = any_project.serial()
    any_project.plan(2, tests={"tests/test_ids.py::test_text": "1/2", "tests/test_plain.py::test_fail": "2/2"})
    results = any_project.run_all(2, "-n2", "--dist=" + dist)
    check_union(results, serial)
    workers = {event.get("worker") for result in results for event in result.of("start")}
    assert workers == {"gw0", "gw1"}


GROUPS = {
    "test_a.py": """
        import pytest

        @pytest.mark.xdist_group("d@b]")
        def test_one():
            assert 0

        @pytest.mark.xdist_group(name="db")
        @pytest.mark.parametrize("value", ["x@y", "z"])
        def test_two(value):
            pass

        def test_three():
            pass
    """,
    "test_b.py": """
        import os
        import pytest

        @pytest.mark.xdist_group("db")
        def test_exit():
            os._exit(3)
    """,
}


def test_ids_have_no_suffix_of_a_group(any_project):
    any_project.write(GROUPS)
    any_project.plan(2, tests={"test_a.py::test_two": "2/2"})
    arguments = ["-n2", "--dist=loadgroup", "--deselect=test_b.py"]
    first, second = any_project.run_all(2, *arguments)
    assert sorted(first.ids) == ["test_a.py::test_one", "test_a.py::test_three"]
    assert sorted(second.ids) == ["test_a.py::test_two[x@y]", "test_a.py::test_two[z]"]
    assert first.outcomes["test_a.py::test_one"] == "failed"


@pytest.mark.parametrize("name, dist", [("pytest7", "loadgroup"), ("pytest8", "loadgroup"), ("pytest9", "load")])
def test_a_crashed_worker_is_a_failure_of_the_test_it_ran(make_project, name, dist):
    project = make_project(name)
    project.write(GROUPS)
    project.plan(2)
    result = project.run("2/2", "-n2", "--dist=" + dist, "--max-worker-restart=1")
    # xdist hands a crashed group out again.
    assert set(result.ids) == {"test_b.py::test_exit"}
    crash = result.of("phase", crashed=True)[0]
    assert (crash["id"], crash["outcome"]) == ("test_b.py::test_exit", "failed")
    assert "crashed while running" in crash["message"] and crash["worker"]
    assert result.one("end")["exit"] == result.exit == 1


def test_one_worker_tells_what_was_collected(any_project):
    any_project.write({"test_a.py": "def test_it():\n    pass\n", "test_bad.py": "import nowhere_at_all\n"})
    any_project.plan(1)
    result = any_project.run("1/1", "-n2")
    assert result.exit != 0
    assert result.one("collect_error")["what"] == "test_bad.py"
    assert len(result.of("session")) == len(result.of("end")) == 1


def test_reruns_and_subtests(any_project):
    any_project.write(
        {
            "test_a.py": """
                tries = []

                def test_flaky():
                    tries.append(1)
                    assert len(tries) == 2

                def test_parts(subtests):
                    for number in range(3):
                        with subtests.test(number=number):
                            assert number != 1
            """
        }
    )
    any_project.plan(1)
    result = any_project.run("1/1", "-n2", "--reruns=1")
    assert result.outcomes == {"test_a.py::test_flaky": "passed", "test_a.py::test_parts": "failed"}
    assert result.of("phase", outcome="rerun", id="test_a.py::test_flaky")
    assert result.of("phase", subtest="(number=1)", outcome="failed")


def test_an_internal_error_of_a_worker_is_told(project):
    project.write(
        {
            "conftest.py": "def pytest_runtest_logfinish():\n    raise LookupError('inside')\n",
            "test_a.py": "def test_it():\n    pass\n",
        }
    )
    project.plan(1)
    result = project.run("1/1", "-n2")
    assert any("LookupError: inside" in event["text"] for event in result.of("internal_error"))
    assert result.one("end")["exit"] == result.exit != 0


@pytest.mark.parametrize("arguments", [("-n0",), ("-n0", "--dist=loadgroup"), ("-n2", "--co"), ("-p", "no:xdist")])
def test_without_workers_this_process_logs(project, arguments):
    project.write({"test_a.py": "def test_it():\n    pass\n"})
    project.plan(1)
    result = project.run("1/1", *arguments)
    assert [item["id"] for item in result.one("items")["items"]] == ["test_a.py::test_it"]
    assert len(result.ids) == int("--co" not in arguments)
