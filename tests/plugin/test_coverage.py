"""Each shard keeps its coverage to itself and says what coverage.py makes of it."""

import json
import signal
import sqlite3
import subprocess

import pytest

PROJECT = {
    "app.py": """
        def sign(number):
            if number > 0:
                return 1
            elif number < 0:
                return -1
            return 0

        def unused():  # pragma: no cover
            return None

        def never(flag):
            while flag:
                flag = False
            return flag
    """,
    "test_a.py": "import app\n\ndef test_it():\n    assert app.sign(1) == 1\n",
    "test_b.py": "import app\n\ndef test_it():\n    assert app.sign(-1) == -1\n",
}


def same_data(project, result):
    """What `coverage json` says about the data file the shard left."""
    target = result.folder / "oracle.json"
    data = str(result.folder / "coverage" / ".coverage")
    subprocess.run(
        [str(project.python), "-m", "coverage", "json", "--data-file=" + data, "-i", "-q", "-o", str(target)],
        cwd=project.root,
        env=project.environment(),
        check=True,
    )
    return without_time(target)


def without_time(path):
    report = json.loads(path.read_text())
    del report["meta"]["timestamp"]
    return report


def left_behind(project):
    return [path.name for path in project.root.rglob(".coverage*") if path.name != ".coveragerc"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cov=app",),
        ("--cov=app", "--cov-branch"),
        ("--cov=app", "--cov=test_a", "--cov-branch", "-n2"),
        ("--cov", "--cov-context=test", "--cov-report="),
    ],
)
def test_pytest_cov(any_project, arguments):
    any_project.write(PROJECT)
    any_project.plan(2)
    for result in any_project.run_all(2, *arguments):
        assert result.exit == 0, result.out
        report = without_time(result.folder / "coverage.json")
        assert report == same_data(any_project, result)
        assert report["meta"]["branch_coverage"] == ("--cov-branch" in arguments)
        executed = report["files"]["app.py"]["executed_lines"]
        assert 2 in executed and (3 in executed) != (5 in executed)
        assert left_behind(any_project) == []


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_a_data_file_in_the_configuration(project, parallel):
    project.write(PROJECT)
    project.write({".coveragerc": "[run]\ndata_file = elsewhere/.coverage\nparallel = %s\nbranch = true\n" % parallel})
    project.plan(2)
    result = project.run("1/2", "--cov=app")
    assert without_time(result.folder / "coverage.json") == same_data(project, result)
    assert left_behind(project) == []


def test_coverage_run(any_project):
    any_project.write(PROJECT)
    any_project.plan(2)
    command = [str(any_project.python), "-m", "coverage", "run", "--branch", "-m", "pytest", "-p", "no:randomly"]
    result = any_project.run("1/2", command=command)
    assert result.exit == 0
    report = without_time(result.folder / "coverage.json")
    oracle = same_data(any_project, result)
    # The plugin is no part of the project, also when everything is measured.
    assert {name for name in oracle["files"] if "parallel_pytest" in name}
    files = {name: file for name, file in oracle["files"].items() if "parallel_pytest" not in name}
    assert report["files"] == files and "app.py" in files
    assert "Wrote JSON" not in result.out
    assert left_behind(any_project) == []


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/parallel-pytest"])
def test_coverage_py_reports_where_our_program_cannot(project, program):
    project.write(PROJECT)
    project.plan(2)
    result = project.run("1/2", "--cov=app", "--cov-branch", env={"PARALLEL_PYTEST_PROGRAM": program})
    assert result.exit == 0, result.err
    assert without_time(result.folder / "coverage.json") == same_data(project, result)


def test_the_table_of_a_part_is_not_printed(any_project):
    any_project.write(PROJECT)
    any_project.plan(2)
    for arguments in (["--cov=app"], ["--cov=app", "--cov-report=term-missing", "--cov-report=xml"]):
        assert "TOTAL" not in any_project.run("1/2", *arguments).out
    assert (any_project.root / "coverage.xml").exists()
    any_project.plan(1)
    assert "TOTAL" in any_project.run("1/1", "--cov=app").out


def test_no_cov_is_respected(project):
    project.write(PROJECT)
    project.plan(1)
    for arguments in (["--cov=app", "--no-cov"], [], ["-p", "no:cov"]):
        result = project.run("1/1", *arguments)
        assert result.exit == 0 and not (result.folder / "coverage.json").exists()
        assert "coverage.json" not in result.err


def test_a_shard_that_measures_nothing_stays_quiet(project):
    project.write(PROJECT)
    project.plan(2, files=dict.fromkeys(PROJECT, "1/2"))
    result = project.run("2/2", "--cov=app")
    assert result.exit == 5 and "parallel-pytest:" not in result.err


@pytest.mark.parametrize("place", ["option", "configuration"])
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_threshold_is_noted_and_fails_no_shard(any_project, place, workers):
    any_project.write(PROJECT)
    arguments = ["--cov=app", *workers]
    if place == "option":
        arguments.append("--cov-fail-under=99.5")
    else:
        any_project.write({".coveragerc": "[report]\nfail_under = 99.5\nprecision = 1\n"})
    any_project.plan(2)
    result = any_project.run("1/2", *arguments)
    assert result.exit == 0, result.out
    assert result.one("session")["cov_fail_under"] == 99.5
    assert "cov_fail_under" not in any_project.run("1/2", "--cov=app", "-c", "/dev/null", "--cov-config=/dev/null").one("session")


def test_an_interrupt_keeps_what_was_measured(any_project):
    any_project.write(PROJECT)
    any_project.write({"test_b.py": "import time\n\ndef test_it():\n    time.sleep(60)\n"})
    any_project.plan(1)
    result = any_project.run_until(b'"start","id":"test_b.py::test_it"', signal.SIGINT, "--cov=app")
    assert result.exit == 2
    assert 3 in without_time(result.folder / "coverage.json")["files"]["app.py"]["executed_lines"]
    with sqlite3.connect(result.folder / "coverage" / ".coverage") as data:
        assert data.execute("select count(*) from file").fetchone() == (1,)


def test_a_report_that_fails_is_one_line_and_no_failure(project):
    project.write(PROJECT)
    project.plan(1)
    folder = project.root.parent / "shard-1"
    (folder / "coverage.json").mkdir(parents=True)
    result = project.run("1/1", "--cov=app", "-W", "error")
    assert result.exit == 0
    assert [line for line in result.err.splitlines() if "coverage.json was not written" in line]
