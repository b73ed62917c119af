"""Every test runs in exactly one shard, and nobody imports what another shard runs."""

import collections

import pytest
from conftest import NEWEST

SUITE = {
    "tests/conftest.py": """
        import pytest

        @pytest.fixture(scope="module", params=["x", "y"])
        def both(request):
            return request.param
    """,
    "tests/test_plain.py": """
        import pytest

        def test_pass():
            pass

        def test_fail():
            assert 1 == 2

        @pytest.mark.skip(reason="not now")
        def test_skip():
            pass

        @pytest.mark.xfail(reason="a bug")
        def test_xfail():
            assert False

        @pytest.mark.xfail(reason="a bug")
        def test_xpass():
            pass

        @pytest.mark.xfail(strict=True, reason="a bug")
        def test_xpass_strict():
            pass

        @pytest.fixture
        def broken():
            raise ValueError("no")

        def test_setup_error(broken):
            pass

        @pytest.fixture
        def broken_end():
            yield
            raise ValueError("no")

        def test_teardown_error(broken_end):
            pass

        def test_two_failures(broken_end):
            assert 0
    """,
    "tests/test_ids.py": """
        import pytest

        AWKWARD = ["", " ", "a b", "n\\nl", "t\\tb", "日本", "::", "a::b", "[", "]", "[x]", "a/b.py",
                   "#", "@", "x@y", "\\0", "\\x1b[31m", "\\ud800", "%s", "'", '"', "\\\\"]

        @pytest.mark.parametrize("value", AWKWARD)
        def test_text(value):
            pass

        @pytest.mark.parametrize("value", {"red", "green", "blue", "black"})
        def test_set(value):
            pass

        @pytest.mark.parametrize("value", [object(), object(), lambda: 0, None, 1.5, b"\\xff"])
        def test_objects(value):
            pass

        def test_fixture_params(both):
            pass

        class TestOuter:
            class TestInner:
                @pytest.mark.parametrize("value", AWKWARD[:4])
                def test_text(self, value):
                    pass

            def test_outer(self):
                pass
    """,
    "tests/unit/test_unittest.py": '''
        import unittest

        class Old(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.ready = True

            def test_ready(self):
                """
                >>> 1 + 1
                2
                """
                self.assertTrue(self.ready)

            def test_fails(self):
                self.fail("no")

            @unittest.skip("not now")
            def test_skipped(self):
                pass

            @unittest.expectedFailure
            def test_expected(self):
                self.fail("as known")
    ''',
    "tests/unit/__init__.py": "",
    "tests/pkg/__init__.py": '''
        """
        >>> 40 + 2
        42
        """
    ''',
    "tests/pkg/test_same_name.py": "def test_it():\n    pass\n",
    "tests/test_same_name.py": "def test_it():\n    pass\n",
    "tests/test_base.py": """
        class Base:
            def test_inherited(self):
                pass

        class TestOne(Base):
            pass
    """,
    "tests/test_derived.py": """
        import test_base

        class TestTwo(test_base.Base):
            pass
    """,
    "docs/guide.txt": "Adding:\n\n>>> 1 + 1\n2\n",
    "docs/wrong.txt": ">>> 1 + 1\n3\n",
    "src/calculator.py": '''
        def add(a, b):
            """
            >>> add(1, 2)
            3
            """
            return a + b
    ''',
    "pytest.ini": "[pytest]\naddopts = --doctest-modules --doctest-glob=*.txt\npython_files=test_*.py\n",
}


def check_union(results, serial):
    """The shards together are the serial run: every id once, with the same outcome."""
    ran = collections.Counter(test for result in results for test in result.ids)
    assert ran == collections.Counter(list(serial))
    outcomes = {}
    for result in results:
        outcomes.update(result.outcomes)
        items = [item["id"] for item in result.one("items")["items"]]
        assert sorted(items) == sorted(result.ids)
    assert outcomes == serial


def test_the_union_of_the_shards_is_the_serial_run(any_project):
    any_project.write(SUITE)
    serial = any_project.serial()
    assert len(serial) > 50
    for total in (1, 2, 3, 7) if any_project.name == NEWEST else (2, 7):
        any_project.plan(total)
        check_union(any_project.run_all(total), serial)


def test_a_cut_file_is_dealt_out_by_class_function_and_parameter(any_project):
    any_project.write(SUITE)
    serial = any_project.serial("tests")
    any_project.plan(
        3,
        files={name: "2/3" for name in SUITE if "test_" in name},
        tests={
            "tests/test_plain.py::test_fail": "1/3",
            "tests/test_ids.py::test_text": "1/3",
            "tests/test_ids.py::test_text[a b]": "3/3",
            "tests/test_ids.py::test_text[a::b]": "2/3",
            "tests/test_ids.py::TestOuter": "3/3",
            "tests/test_ids.py::TestOuter::TestInner::test_text": "1/3",
            "tests/unit/test_unittest.py::Old": "3/3",
            "tests/test_ids.py::test_gone": "1/3",
        },
    )
    results = any_project.run_all(3, "tests")
    check_union(results, serial)
    first, second, third = (set(result.ids) for result in results)
    assert "tests/test_plain.py::test_fail" in first
    assert "tests/test_ids.py::test_text[a/b.py]" in first
    assert "tests/test_ids.py::test_text[a b]" in third
    assert "tests/test_ids.py::test_text[a::b]" in second
    assert "tests/test_ids.py::TestOuter::TestInner::test_text[]" in first
    assert "tests/unit/test_unittest.py::Old::test_ready" in third
    assert [result.one("items")["missing"] for result in results] == [
        ["tests/test_ids.py::test_gone"],
        [],
        [],
    ]
    assert results[0].one("items")["other"] > 0


CUT_BETWEEN_PARAMETERS = """
import unittest
import pytest

@pytest.fixture(scope="module", params=["postgres", "sqlite", "new::[x]"])
def database(request):
    return request.param

@pytest.mark.parametrize("text", TEXTS)
def test_text(text):
    pass

@pytest.mark.parametrize("other", range(4))
def test_database(database, other):
    pass

@pytest.mark.parametrize("thing", [object() for _ in range(5)])
def test_objects(thing):
    pass

class TestCase(unittest.TestCase):
    def test_sub(self):
        for number in range(3):
            with self.subTest(number=number):
                pass
"""
BEFORE = ["a", "b", "a::b[0]", "[", "]", "", " ", "\n", "größe", "x-y", "same", "same", "gone", "a/b.py"]
# Removed, renamed, added, in another order.
AFTER = ["x-y", "same", "a/b.py", "a::b[1]", "]", "[", "same", "größe!", " ", "\n", "", "b", "a", "same", "test_text[a]"]


@pytest.mark.parametrize("arguments, randomly", [((), False), (("-n2",), False), ((), True)])
def test_parameters_that_are_others_than_planned_run_once(any_project, arguments, randomly):
    """What no shard was given stays with the function, or its class, or its file."""
    if (arguments or randomly) and any_project.name != NEWEST:
        pytest.skip("once is enough")
    name = "tests/test_cut.py"
    for texts in (BEFORE, AFTER):
        any_project.write({name: CUT_BETWEEN_PARAMETERS.replace("TEXTS", repr(texts)), "tests/test_whole.py": "def test_it():\n    pass\n"})
        serial = any_project.serial("tests")
        if texts is BEFORE:
            # Each third of the sorted ids to another shard; the second has the file, the third a function.
            ids = sorted(key for key in serial if key.startswith(name))
            owners = {key: "%d/3" % (1 + 3 * place // len(ids)) for place, key in enumerate(ids)}
            owners[name + "::test_text"] = "3/3"
            any_project.plan(3, files={name: "2/3", "tests/test_whole.py": "1/3"}, tests=owners)
        results = any_project.run_all(3, "tests", *arguments, randomly=randomly)
        check_union(results, serial)
        assert all(len(result.ids) > 1 for result in results)
    rest = {name + "::test_text[test_text[a]]", name + "::test_text[a::b[1]]"}
    assert rest <= set(results[2].ids)


def test_a_file_in_no_plan_has_an_owner_by_its_name(project):
    # By hand: the first 16 digits of `sha256sum` of the name, modulo 3, plus 1.
    owners = {"test_new.py": 1, "tests/test_x.py": 1, "docs/größe.txt": 3, "test_1.py": 2}
    for name in owners:
        project.write({name: ">>> 1\n1\n" if "txt" in name else "def test_it():\n    pass\n"})
    project.plan(3, files={})
    for index, result in enumerate(project.run_all(3, "--doctest-glob=*.txt"), 1):
        files = {item["file"] for item in result.one("items")["items"]}
        assert files == {name for name, owner in owners.items() if owner == index}


@pytest.mark.parametrize("arguments", [(), ("tests",), ("tests/test_a.py", "tests/test_b.py")])
def test_files_of_other_shards_are_not_imported(any_project, arguments):
    body = "import pathlib\npathlib.Path(__file__ + '.seen').touch()\ndef test_it():\n    pass\n"
    names = ["tests/test_a.py", "tests/test_b.py"]
    any_project.write(dict.fromkeys(names, body))
    any_project.plan(2)
    result = any_project.run("2/2", *arguments)
    assert result.exit == 0 and result.ids == ["tests/test_b.py::test_it"]
    assert [path.name for path in any_project.root.rglob("*.seen")] == ["test_b.py.seen"]


def test_a_single_test_of_another_shard_is_left_out(project):
    project.write({"test_a.py": "def test_it():\n    pass\n", "test_b.py": "def test_it():\n    pass\n"})
    project.plan(2)
    results = project.run_all(2, "test_a.py::test_it")
    assert [(result.exit, result.ids) for result in results] == [(0, ["test_a.py::test_it"]), (5, [])]


def test_deselection_by_the_user_comes_on_top(project):
    project.write(SUITE)
    serial = project.serial("-k", "text or fail", "tests")
    project.plan(3)
    check_union(project.run_all(3, "-k", "text or fail", "tests"), serial)


def test_conftests_and_packages_stay_whoever_owns_them(any_project):
    any_project.write(
        {
            "pkg/__init__.py": "",
            "pkg/conftest.py": """
                import pytest

                @pytest.fixture(scope="package", autouse=True)
                def around():
                    yield "around"

                @pytest.fixture
                def deep(around):
                    return around
            """,
            "pkg/sub/__init__.py": "",
            "pkg/sub/conftest.py": "import pytest\n\n@pytest.fixture\ndef deep(deep):\n    return deep * 2\n",
            "pkg/test_a.py": "def test_it(deep):\n    assert deep == 'around'\n",
            "pkg/sub/test_b.py": "def test_it(deep):\n    assert deep == 'aroundaround'\n",
        }
    )
    serial = any_project.serial()
    assert set(serial.values()) == {"passed"}
    for owner in ("1/2", "2/2"):
        files = {name: owner for name in ("pkg/__init__.py", "pkg/conftest.py", "pkg/sub/__init__.py")}
        files.update({"pkg/test_a.py": "1/2", "pkg/sub/test_b.py": "2/2"})
        any_project.plan(2, files=files)
        check_union(any_project.run_all(2), serial)


def test_a_rootdir_below_the_plan_changes_ids_but_no_owner(any_project):
    files = {"svc/pytest.ini": "[pytest]\n"}
    for place in ("svc/tests", "lib/tests"):
        files[place + "/conftest.py"] = "import pytest\n\n@pytest.fixture\ndef here():\n    return __file__\n"
        for name in ("one", "two", "three"):
            files["%s/test_%s_%s.py" % (place, place[:3], name)] = "def test_it(here):\n    pass\n"
    any_project.write(files)
    any_project.plan(2, tests={"svc/tests/test_svc_one.py::test_it": "2/2", "tests/test_svc_two.py::test_it": "2/2"})
    for folder in ("svc", "lib"):
        serial = any_project.serial(cwd=any_project.root / folder)
        results = any_project.run_all(2, cwd=any_project.root / folder)
        check_union(results, serial)
        for result in results:
            for item in result.one("items")["items"]:
                assert item["file"] == item["path"] == "%s/tests/%s" % (folder, item["id"].split("/")[-1].split("::")[0])
    svc = any_project.run("2/2", "svc")
    assert {"tests/test_svc_one.py::test_it", "tests/test_svc_two.py::test_it"} <= set(svc.ids)


def test_shuffled_differently_in_every_shard(any_project):
    any_project.write(SUITE)
    serial = any_project.serial()
    any_project.plan(3, tests={"tests/test_ids.py::test_text": "3/3", "tests/test_plain.py::test_fail": "1/3"})
    results = [
        any_project.run("%d/3" % index, "--randomly-seed=%d" % (index * 97), randomly=True)
        for index in (1, 2, 3)
    ]
    assert "random seed" in results[0].out.lower() or "--randomly-seed=97" in results[0].out
    check_union(results, serial)


def test_parameters_from_a_set_stay_together_whatever_the_hash_seed(project):
    project.write(SUITE)
    serial = project.serial("tests/test_ids.py")
    project.plan(2, files={"tests/test_ids.py": "1/2"}, tests={"tests/test_ids.py::test_set": "2/2"})
    results = [
        project.run("%d/2" % index, "tests/test_ids.py", env={"PYTHONHASHSEED": str(index)})
        for index in (1, 2)
    ]
    check_union(results, serial)
    assert {test.split("[")[0] for test in results[1].ids} == {"tests/test_ids.py::test_set"}


def test_items_that_a_conftest_adds_run_once(project):
    project.write(
        {
            "conftest.py": """
                import pytest

                @pytest.hookimpl(trylast=True)
                def pytest_collection_modifyitems(session, items):
                    class Extra(pytest.Item):
                        def runtest(self):
                            pass
                    items.append(Extra.from_parent(session, name="extra"))
            """,
            "test_a.py": "def test_it():\n    pass\n",
            "test_b.py": "def test_it():\n    pass\n",
        }
    )
    serial = project.serial()
    assert "extra" in str(serial)
    project.plan(2)
    check_union(project.run_all(2), serial)


def test_custom_collectors_have_one_owner_too(project):
    project.write(
        {
            "conftest.py": """
                import pathlib
                import pytest

                def pytest_collect_file(file_path, parent):
                    if file_path.suffix == ".spec":
                        return Spec.from_parent(parent, path=file_path)

                class Spec(pytest.File):
                    def collect(self):
                        for line in self.path.read_text().split():
                            yield Line.from_parent(self, name=line, path=pathlib.Path("/elsewhere/" + line))

                class Line(pytest.Item):
                    def runtest(self):
                        assert self.name != "bad"

                    def reportinfo(self):
                        return self.path, None, self.name
            """,
            "one.spec": "a b bad",
            "two.spec": "c d",
            "three.spec": "e",
        }
    )
    serial = project.serial()
    assert len(serial) == 6
    for total in (2, 3):
        project.plan(total, files={"one.spec": "1/%d" % total})
        check_union(project.run_all(total), serial)


def test_strict_markers_and_an_own_marker(project):
    project.write(
        {
            "pytest.ini": "[pytest]\naddopts = --strict-markers --strict-config\nmarkers = slow: slow\n",
            "test_a.py": "import pytest\n\n@pytest.mark.slow\ndef test_it():\n    pass\n",
        }
    )
    project.plan(1)
    result = project.run("1/1", "-m", "slow")
    assert (result.exit, result.ids) == (0, ["test_a.py::test_it"])


@pytest.mark.parametrize("verbosity", ["-q", "-qq", "-v", "-vv"])
def test_verbosity_changes_nothing(project, verbosity):
    project.write({"pytest.ini": "[pytest]\naddopts = %s\n" % verbosity, "test_a.py": "def test_it():\n    pass\n"})
    project.plan(1)
    assert project.run("1/1").ids == ["test_a.py::test_it"]
