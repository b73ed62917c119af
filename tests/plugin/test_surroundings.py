"""The plugin fits into what users have around their tests, and stays out of what is not its own."""

import ast
import json
import xml.etree.ElementTree

import pytest
from conftest import PLUGIN

GREEN = {"test_a.py": "def test_it():\n    pass\n", "test_b.py": "def test_it():\n    pass\n"}


def test_without_its_environment_it_does_nothing(any_project):
    any_project.write(GREEN)
    any_project.plan(2)
    gone = dict.fromkeys(("PARALLEL_PYTEST_PLAN", "PARALLEL_PYTEST_SHARD"), "")
    result = any_project.run("1/2", env=gone)
    assert result.exit == 0 and "2 passed" in result.out
    assert not result.folder.exists()


@pytest.mark.parametrize("workers", [(), ("-n1",)])
@pytest.mark.parametrize("how", ["subprocess", "in process"])
def test_a_pytest_that_a_test_starts_is_none_of_ours(any_project, workers, how):
    inner = {
        "subprocess": "subprocess.run([sys.executable, '-m', 'pytest', '-q'], cwd=tmp_path, env=env)",
        "in process": "pytest.main(['-q', '--rootdir', str(tmp_path), str(tmp_path)])",
    }[how]
    any_project.write(
        {
            "test_outer.py": """
                import os, subprocess, sys
                import pytest

                def test_it(tmp_path):
                    env = {**os.environ, "PYTHONPATH": ""}
                    assert "PYTEST_PLUGINS" not in env and "PARALLEL_PYTEST_PLAN" not in env
                    assert env["PARALLEL_PYTEST_SHARD"] == "1/2"
                    for name in "abcd":
                        (tmp_path / ("test_%%s.py" %% name)).write_text("def test_inner(): pass")
                    outcome = %s
                    assert getattr(outcome, "returncode", outcome) == 0
                    junit = os.path.join(%s, "junit.xml")
                    assert not os.path.exists(junit) or b"test_inner" not in open(junit, "rb").read()
            """
            % (inner, repr(str(any_project.root.parent / "shard-1")))
        }
    )
    any_project.plan(2)
    result = any_project.run("1/2", "-s", *workers)
    assert result.exit == 0, result.out
    assert "4 passed" in result.out or workers
    assert result.ids == ["test_outer.py::test_it"]
    assert len(result.of("session")) == 1


def test_what_the_user_set_stays(project):
    project.write(GREEN)
    project.write(
        {
            "lib/mine.py": "import pytest\n\n@pytest.fixture\ndef given():\n    return 42\n",
            "test_a.py": """
                import os

                def test_it(given):
                    assert given == 42
                    assert os.environ["PYTEST_PLUGINS"] == "mine"
                    assert os.environ["PYTHONPATH"] == os.path.abspath("lib")
            """,
        }
    )
    project.plan(2)
    variables = {
        "PYTHONPATH": "%s:%s" % (project.plugin_dir, project.root / "lib"),
        "PYTEST_PLUGINS": "parallel_pytest_plugin,mine",
    }
    assert project.run("1/2", env=variables).exit == 0


@pytest.mark.parametrize("without", ["cacheprovider", "terminal", "junitxml", "doctest", "unittest", "cov", "capture"])
def test_without_a_builtin_plugin(any_project, without):
    any_project.write(GREEN)
    any_project.plan(2)
    result = any_project.run("1/2", "-p", "no:" + without)
    assert (result.exit, result.ids) == (0, ["test_a.py::test_it"]), result.err


def test_collecting_only(any_project):
    any_project.write(GREEN)
    any_project.plan(2)
    result = any_project.run("1/2", "--co")
    assert result.exit == 0 and result.one("session")["collect_only"] is True
    assert [item["id"] for item in result.one("items")["items"]] == ["test_a.py::test_it"]
    assert not result.of("start")


@pytest.mark.parametrize(
    "plan, shard, said",
    [
        (None, "1/2", "cannot read the plan"),
        ("{", "1/2", "cannot read the plan"),
        ("[]", "1/2", "cannot read the plan"),
        ('{"version": 1}', "1/2", "cannot read the plan"),
        ('{"version": 2, "digest": "", "shards": [], "files": {}, "tests": {}}', "1/2", "is a plan of version 2"),
        ("", "1/3", "has 2 shards"),
        ("", "3/2", "write index/total"),
        ("", "x", "write index/total"),
    ],
)
def test_a_plan_that_does_not_fit_stops_at_once(project, plan, shard, said):
    project.write(GREEN)
    project.plan(2)
    if plan is None:
        (project.root / "plan.json").unlink()
    elif plan:
        (project.root / "plan.json").write_text(plan)
    result = project.run(shard)
    assert result.exit == 4 and "passed" not in result.out
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert len(lines) == 1 and said in lines[0] and lines[0].startswith("ERROR: parallel-pytest")
    assert said in result.one("internal_error")["text"]


def test_an_old_pytest_is_refused_in_one_line(project, plugin_dir):
    project.write(GREEN)
    project.plan(2)
    script = "import sys, pytest; pytest.__version__ = '6.2.5'; sys.exit(pytest.main([]))"
    result = project.run("1/2", command=[str(project.python), "-c", script])
    assert result.exit == 4
    assert "parallel-pytest needs pytest 7 or newer, this is 6.2.5" in result.err


def cases(path):
    return [case.get("name") for case in xml.etree.ElementTree.parse(path).iter("testcase")]


def test_the_junit_that_was_asked_for_is_there_twice(any_project):
    any_project.write(GREEN)
    any_project.plan(2)
    result = any_project.run("1/2", "--junitxml=out/mine.xml")
    assert cases(result.folder / "junit.xml") == cases(any_project.root / "out" / "mine.xml") == ["test_it"]
    result = any_project.run("1/2", "-n1", "--junitxml=" + str(result.folder / "junit.xml"))
    assert result.exit == 0


def test_shards_side_by_side_write_no_common_file(any_project):
    any_project.write(
        {
            "app.py": "one = 1\n",
            "test_a.py": "import app\n\ndef test_it(tmp_path):\n    assert 'apart' in str(tmp_path)\n    assert 0\n",
            "test_b.py": "import app\n\ndef test_it(tmp_path):\n    assert 'apart' in str(tmp_path)\n",
        }
    )
    any_project.plan(2)
    before = {path.name for path in any_project.root.iterdir()}
    apart = any_project.root.parent / "apart"
    arguments = [
        "--junitxml=mine.xml",
        "--basetemp=" + str(apart),
        "--cov=app",
        "--cov-report=xml",
        "--cov-report=html:pages",
        "--cov-report=lcov:deep/cov.info",
        "--cov-report=json",
        "--cov-report=term",
    ]
    for shard in ("1/2", "2/2"):
        for workers in ((), ("-n1",)):
            result = any_project.run(shard, *arguments, *workers, env={"PARALLEL_PYTEST_SIDE_BY_SIDE": "1"})
            assert result.exit == int(shard == "1/2"), result.out
            names = {path.name for path in result.folder.iterdir()}
            assert names >= {"junit.xml", "coverage.xml", "pages", "cov.info", "coverage.json", "cache", "events.jsonl"}
            assert json.loads((result.folder / "coverage.json").read_text())["files"].keys() == {"app.py"}
    assert {path.name for path in any_project.root.iterdir()} == before
    assert {path.name for path in apart.iterdir()} == {"1-of-2", "2-of-2"}


def test_the_cache_of_a_lone_shard_is_where_it_always_is(project):
    project.write({"test_a.py": "def test_it():\n    assert 0\n"})
    project.plan(1)
    project.run("1/1")
    result = project.run("1/1", "--lf")
    assert (project.root / ".pytest_cache").is_dir()
    assert result.ids == ["test_a.py::test_it"]


def test_the_header_names_the_shard(project):
    project.write(GREEN)
    project.plan(2)
    result = project.run("2/2")
    assert "parallel-pytest: shard 2/2 of plan " in result.out and "1 passed" in result.out


def test_reads_as_python_3_8():
    ast.parse(PLUGIN.read_text(), feature_version=(3, 8))
