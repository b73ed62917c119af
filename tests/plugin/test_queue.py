"""Units that shards take while they run: who has them, what is imported when, and what is torn down."""

import concurrent.futures
import os
import signal

import pytest

SCOPES = """
import pytest

def noted(scope, name):
    @pytest.fixture(scope=scope, autouse=True, name=name)
    def fixture(request):
        write("+" + name)
        yield
        write("-" + name)
    return fixture

def write(text):
    with open("order", "a") as file:
        file.write(text + "\\n")

in_session = noted("session", "session")
in_package = noted("package", "package")
in_module = noted("module", "module")
in_class = noted("class", "class")
"""
TWO = """
from conftest import write

class TestOne:
    def test_a(self):
        write("a")

    def test_b(self):
        write("b")

class TestTwo:
    def test_c(self):
        write("c")
"""


def take(project, folder, shard="1/1", *arguments, **options):
    return project.run(shard, *arguments, env={"PARALLEL_PYTEST_QUEUE": str(folder)}, **options)


def units(result):
    return [event["unit"] for event in result.of("unit")], [event["unit"] for event in result.of("unit_end")]


def left(folder):
    return sorted(os.listdir(folder / "todo"))


def test_runs_every_unit_and_imports_a_file_when_it_is_taken(any_project):
    any_project.write({
        "conftest.py": SCOPES,
        "one/__init__.py": "",
        "one/test_a.py": TWO,
        "one/test_b.py": TWO,
        "two/test_c.py": "def test_c(): pass\n",
    })
    # The longest first, and not in the order of their names.
    folder = any_project.queue([["two/test_c.py"], ["one/test_b.py"], ["one/test_a.py"]])
    result = take(any_project, folder)
    assert result.exit == 0, result.out
    assert units(result) == ([0, 1, 2], [0, 1, 2])
    assert left(folder) == []
    assert sorted(os.listdir(folder / "taken")) == ["%06d-by-1-of-1" % unit for unit in range(3)]
    assert len(result.ids) == len(set(result.ids)) == 7
    assert [len(event["items"]) for event in result.of("items")] == [1, 3, 3]
    imports = [[file for file, _ in event["imports"]] for event in result.of("items")]
    assert imports == [["two/test_c.py"], ["one/test_b.py"], ["one/test_a.py"]]
    assert result.one("session")["dynamic"] is True
    order = (any_project.root / "order").read_text().split()
    classes = "+class a b -class +class c -class".split()
    text = " ".join(line for line in order if "package" not in line)
    assert text.count("+session") == text.count("-session") == 1
    assert text.endswith("-module -session")
    inner = " ".join(["+module", *classes, "-module"])
    assert text.count(inner) == 2, text


def test_a_package_keeps_its_fixtures_from_unit_to_unit(any_project):
    any_project.write({
        "conftest.py": SCOPES,
        "one/__init__.py": "",
        "one/conftest.py": "from conftest import noted\nin_one = noted('package', 'one')\n",
        "one/test_a.py": TWO,
        "one/test_b.py": TWO,
        "test_c.py": TWO,
    })
    folder = any_project.queue([["one/test_a.py"], ["one/test_b.py"], ["test_c.py"]])
    result = take(any_project, folder)
    assert result.exit == 0, result.out
    order = (any_project.root / "order").read_text().split()
    serial = any_project.serial("one", "test_c.py")
    again = (any_project.root / "order").read_text().split()[len(order) :]
    assert set(serial.values()) == {"passed"}
    # What pytest does in one process, in the same order of files.
    assert order == again


def test_a_cut_file_is_imported_once_and_its_classes_run_apart(any_project):
    any_project.write({"conftest.py": SCOPES, "test_a.py": TWO})
    folder = any_project.queue([["test_a.py"], ["test_a.py::TestTwo"]], total=2)
    first = take(any_project, folder, "1/2")
    assert units(first) == ([0, 1], [0, 1])
    order = (any_project.root / "order").read_text().split()
    order = [line for line in order if "package" not in line]
    assert order == (
        "+session +module +class a b -class +class c -class -module -session".split()
    )
    folder = any_project.queue([["test_a.py"], ["test_a.py::TestTwo"]], total=2)
    (folder / "todo" / "000000").rename(folder / "taken" / "000000-by-2-of-2")
    second = take(any_project, folder, "1/2")
    assert second.ids == ["test_a.py::TestTwo::test_c"]


def test_shards_side_by_side_take_every_unit_once(project):
    names = ["test_%02d.py" % number for number in range(24)]
    project.write({name: "import time\n\ndef test_one():\n    time.sleep(0.02)\n\ndef test_two(): pass\n" for name in names})
    folder = project.queue([[name] for name in names], total=3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(take, project, folder, "%d/3" % (index + 1)) for index in range(3)]
        results = [run.result() for run in runs]
    ids = [each for result in results for each in result.ids]
    assert sorted(ids) == sorted("%s::test_%s" % (name, test) for name in names for test in ("one", "two"))
    taken = [unit for result in results for unit in units(result)[1]]
    assert sorted(taken) == list(range(24))
    assert left(folder) == []


def test_files_nobody_planned_and_single_tests_have_a_unit(project):
    project.write({name: TWO.replace("from conftest import write", "def write(text): pass") for name in ("test_a.py", "test_b.py", "test_c.py")})
    folder = project.queue([["test_a.py"], ["test_b.py"]])
    assert len(take(project, folder).ids) == 9
    folder = project.queue([["test_a.py"], ["test_b.py"]])
    result = take(project, folder, "1/1", "test_b.py::TestOne", "test_a.py::TestTwo::test_c")
    assert sorted(result.ids) == [
        "test_a.py::TestTwo::test_c",
        "test_b.py::TestOne::test_a",
        "test_b.py::TestOne::test_b",
    ]


def test_a_unit_whose_tests_are_all_deselected_is_passed_over(project):
    other = "def test_%s():\n    pass\n"
    project.write({"conftest.py": SCOPES, "test_a.py": other % "keep", "test_b.py": other % "drop", "test_c.py": other % "keep"})
    folder = project.queue([["test_a.py"], ["test_b.py"], ["test_c.py"]])
    result = take(project, folder, "1/1", "-k", "keep")
    assert result.exit == 0, result.out
    assert result.ids == ["test_a.py::test_keep", "test_c.py::test_keep"]
    assert units(result) == ([0, 1, 2], [0, 1, 2])
    assert (project.root / "order").read_text().split().count("+session") == 1


def test_stops_at_the_first_failure_and_leaves_the_rest(project):
    project.write({"test_a.py": "def test_bad():\n    assert 0\n", "test_b.py": "def test_b():\n    pass\n"})
    folder = project.queue([["test_a.py"], ["test_b.py"]])
    result = take(project, folder, "1/1", "-x")
    assert result.exit == 1, result.out
    assert units(result) == ([0], [0])
    assert left(folder) == ["000001"]


def test_a_file_that_cannot_be_imported_stops_nobody(any_project):
    any_project.write({"test_a.py": "def test_a(): pass\n", "test_b.py": "import nothing_like_it\n", "test_c.py": "def test_c(): pass\n"})
    for first in ("test_a.py", "test_b.py"):
        rest = sorted({"test_a.py", "test_b.py", "test_c.py"} - {first})
        folder = any_project.queue([[first], *[[name] for name in rest]])
        result = take(any_project, folder)
        assert result.exit == 1, result.out
        assert sorted(result.ids) == ["test_a.py::test_a", "test_c.py::test_c"]
        assert result.one("collect_error")["what"] == "test_b.py"


def test_an_error_in_what_a_unit_leaves_is_told(any_project):
    any_project.write({
        "test_a.py": """
            import pytest

            @pytest.fixture(scope="module", autouse=True)
            def fixture():
                yield
                raise RuntimeError("at the end")

            def test_a():
                pass
        """,
        "test_b.py": "def test_b(): pass\n",
    })
    folder = any_project.queue([["test_a.py"], ["test_b.py"]])
    result = take(any_project, folder)
    assert result.exit == 1
    assert result.outcomes == {"test_a.py::test_a": "error", "test_b.py::test_b": "passed"}


@pytest.mark.parametrize("arguments", [("--reruns=2",), ("-p", "randomly")])
def test_with_plugins_that_repeat_and_shuffle(project, arguments):
    project.write({
        name: """
            import pathlib, unittest

            class TestFlaky(unittest.TestCase):
                def test_second_time(self):
                    with self.subTest("inner"):
                        seen = pathlib.Path(__file__ + ".seen")
                        again = seen.exists()
                        seen.touch()
                    assert again or %r != "--reruns=2"

            def test_other():
                pass
        """ % arguments[0]
        for name in ("test_a.py", "test_b.py")
    })
    folder = project.queue([["test_a.py"], ["test_b.py"]])
    result = take(project, folder, "1/1", *arguments, randomly=True)
    assert result.exit == 0, result.out
    assert sorted(set(result.ids)) == sorted(
        "%s::%s" % (name, test)
        for name in ("test_a.py", "test_b.py")
        for test in ("TestFlaky::test_second_time", "test_other")
    )


def test_workers_of_xdist_have_the_planned_tests(project):
    project.write({"test_a.py": TWO.replace("from conftest import write", "def write(text): pass"), "test_b.py": "def test_b(): pass\n"})
    folder = project.queue([["test_a.py"], ["test_b.py"]], total=2)
    results = [take(project, folder, shard, "-n", "2") for shard in ("1/2", "2/2")]
    assert [sorted(result.ids) for result in results] == [
        ["test_a.py::TestOne::test_a", "test_a.py::TestOne::test_b", "test_a.py::TestTwo::test_c"],
        ["test_b.py::test_b"],
    ]
    assert left(folder) == ["000000", "000001"]
    assert "dynamic" not in results[0].one("session")


def test_a_killed_shard_tells_what_it_had(project):
    project.write({"test_a.py": "def test_a(): pass\n", "test_b.py": "import time\n\ndef test_b(): time.sleep(60)\n", "test_c.py": "def test_c(): pass\n"})
    folder = project.queue([["test_a.py"], ["test_b.py"], ["test_c.py"]])
    queue = {"PARALLEL_PYTEST_QUEUE": str(folder)}
    result = project.run_until(b'"start","id":"test_b.py', signal.SIGKILL, env=queue)
    assert units(result) == ([0, 1], [0])
    assert sorted(os.listdir(folder / "taken")) == ["000000-by-1-of-1", "000001-by-1-of-1"]
    assert left(folder) == ["000002"]
