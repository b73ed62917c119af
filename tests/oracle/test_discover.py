"""`plan` names the files that real pytest opens, in awkward projects and in random ones.

Where pytest's versions differ the plan follows the newest one, and the case says which versions it is for.
"""

import functools
import json
import os
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("PARALLEL_PYTEST_CACHE", Path.home() / ".cache/parallel-pytest-tests"))
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
VERSIONS = ("pytest7", "pytest8", "pytest9")
RANDOM_PROJECTS = 150

A_TEST = "def test_it():\n    pass\n"


@dataclass
class Case:
    name: str
    files: dict  # path: text; None for an empty folder, "-> x" for a symbolic link
    paths: list = field(default_factory=list)
    addopts: str = ""  # PYTEST_ADDOPTS
    folder: str = ""  # where pytest is started, inside the project
    versions: tuple = VERSIONS


def tree(*names, **contents):
    return {**dict.fromkeys(names, A_TEST), **contents}


def ini(text, *names):
    return {"pytest.ini": "[pytest]\n" + text, **tree(*names)}


NEW = ("pytest9",)
SINCE_8 = ("pytest8", "pytest9")

CASES = [
    Case("nothing at all", {}),
    Case("names", tree("test_a.py", "b_test.py", "test.py", "tests.py", "atest.py", "Test_c.py", "test_d.pyi", "test_e.PY", "test_f.py.bak", "x/test_g.py", "test_.py", "_test.py")),
    Case("conftest and packages", tree("conftest.py", "p/__init__.py", "p/conftest.py", "p/test_a.py", "p/q/__init__.py", "p/q/test_b.py", "p/r/test_c.py")),
    Case("folders pytest leaves out", tree("build/test_a.py", "dist/test_a.py", "x.egg/test_a.py", ".hidden/test_a.py", "_darcs/test_a.py", "CVS/test_a.py", "node_modules/test_a.py", "venv/test_a.py", "{arch}/test_a.py", "__pycache__/test_a.py", "builds/test_b.py", "egg/test_c.py", "env/test_d.py")),
    Case("a left out folder given", tree("build/test_a.py", "build/dist/test_b.py", "build/sub/test_c.py", ".h/test_d.py"), ["build", ".h/test_d.py"]),
    Case("below a left out folder", tree("build/sub/test_a.py", "build/test_b.py"), ["build/sub"]),
    Case("a virtual environment", {**tree("env/lib/test_a.py", "test_b.py"), "env/pyvenv.cfg": "", "env/bin/activate": ""}),
    Case("a virtual environment wanted", {**tree("env/lib/test_a.py"), "env/pyvenv.cfg": "", "env/bin/activate": ""}, addopts="--collect-in-virtualenv"),
    Case("a virtual environment given", {**tree("env/lib/test_a.py"), "env/pyvenv.cfg": "", "env/bin/activate": ""}, ["env"]),
    Case("pyvenv.cfg alone", {**tree("env/lib/test_a.py", "test_b.py"), "env/pyvenv.cfg": ""}, versions=SINCE_8),
    Case("conda", {**tree("env/lib/test_a.py", "test_b.py"), "env/conda-meta/history": ""}, versions=SINCE_8),
    Case("a hidden file", tree(".test_a.py", "test_b.py")),
    Case("odd names", tree("sp ace/test a.py", "é/test_ü.py", "x/test_[1].py", "x/test_'q'.py", 'x/test_"d".py', "x/test_#.py", "x/test_-o.py", "x/test_a.b.py", "x/test_%41.py", "🙂/test_🙂.py", "x/test_ .py", "x/test_\n.py")),
    Case("text files", {"test_a.txt": ">>> 1\n1\n", "testb.txt": "", "notes.txt": ">>> 1\n1\n", "doc/test_c.txt": "", "test_d.rst": "", "Test_e.txt": ""}),
    Case("text files given", {"notes.txt": ">>> 1\n1\n", "a.rst": ">>> 1\n1\n", "test_b.py": A_TEST}, ["notes.txt", "a.rst"]),
    Case("doctest patterns", {"a.md": ">>> 1\n1\n", "x/b.rst": ">>> 1\n1\n", "y/b.rst": "", "test_c.txt": "", "d.py": ">>> 1"}, addopts="--doctest-glob=*.md --doctest-glob 'x/*.rst'"),
    Case("without doctest", {"test_a.txt": ">>> 1\n1\n", "test_b.py": A_TEST}, addopts="-p no:doctest"),
    Case("doctest modules", {**tree("test_a.py", "conftest.py", "p/q.py", "p/test_b.py", "x/__main__.py", "r/_private.py"), "setup.py": "from setuptools import setup", "x/setup.py": "pass"}, addopts="--doctest-modules"),
    Case("doctest modules in a package", tree("p/__init__.py", "p/q.py", "p/s/__init__.py", "p/s/t.py"), addopts="--doctest-modules", versions=SINCE_8),
    Case("given files need no pattern", tree("helper.py", "test_a.py", "x/check.py"), ["helper.py", "x/check.py"]),
    Case("node ids", tree("test_a.py", "test_b.py", "x/test_c.py"), ["test_a.py::test_it", "x/test_c.py::test_it"]),
    Case("a node id with parameters", {"test_a.py": "import pytest\n@pytest.mark.parametrize('x', ['a::b', 'c/d'])\ndef test_it(x): pass\n", "test_b.py": A_TEST}, ["test_a.py::test_it[a::b]"]),
    Case("paths twice and inside each other", tree("a/test_a.py", "a/b/test_b.py", "test_c.py"), ["a/b", "a", "a/test_a.py", "a"]),
    Case("odd spellings of paths", tree("a/test_a.py", "a/b/test_b.py", "test_c.py"), ["./a/../a//b/", "test_c.py"]),
    Case("an empty path", tree("a/test_a.py", "test_c.py"), [""]),
    Case("an ignored file given inside a given folder", tree("a/helper.py", "a/test_a.py", "a/build/test_b.py"), ["a", "a/helper.py", "a/build/test_b.py"], versions=NEW),
    Case("the same, keeping duplicates", tree("a/helper.py", "a/test_a.py", "a/build/test_b.py"), ["a", "a/helper.py", "a/build/test_b.py"], "--keep-duplicates", versions=SINCE_8),
    Case("__init__ given", tree("p/__init__.py", "p/test_a.py"), ["p/__init__.py"], versions=SINCE_8),
    Case("__init__ named as a test", {**ini("python_files = *.py", "p/__init__.py", "p/a.py", "p/q/__init__.py", "conftest.py")}),
    Case("above the start", tree("a/test_a.py", "b/test_b.py"), ["../b"], folder="a"),
    Case("ignored paths", tree("a/test_a.py", "a/test_b.py", "b/test_c.py", "c/d/test_d.py"), addopts="--ignore=a/test_a.py --ignore b --ignore c/e/../d"),
    Case("an ignored path given", tree("a/test_a.py", "a/test_b.py"), ["a"], "--ignore=a"),
    Case("ignored patterns", tree("a/test_a.py", "a/b/test_b.py", "b/test_c.py", "d/test_x.py"), addopts="--ignore-glob='a/*b*' --ignore-glob=*_x.py"),
    Case("python_files", ini("python_files = check_*.py *_spec.py test_[ab].py", "check_a.py", "b_spec.py", "test_a.py", "test_c.py", "x/check_b.py")),
    Case("python_files in lines", ini("python_files =\n    check_*.py\n    # none\n    'sp *.py'\n", "check_a.py", "sp b.py", "test_a.py")),
    Case("python_files with a slash", ini("python_files = unit/test_*.py spec/*.py", "unit/test_a.py", "x/unit/test_b.py", "test_c.py", "spec/d.py", "spec/e/f.py")),
    Case("norecursedirs", ini("norecursedirs = skip* deep/er", "skip/test_a.py", "build/test_b.py", "deep/er/test_c.py", "deep/test_d.py", ".h/test_e.py", "x/skipped/test_f.py")),
    Case("testpaths", ini("testpaths = a b/c", "a/test_a.py", "b/test_b.py", "b/c/test_c.py", "test_d.py")),
    Case("testpaths are not for given paths", ini("testpaths = a", "a/test_a.py", "b/test_b.py"), ["b"]),
    Case("testpaths from below", ini("testpaths = a", "a/test_a.py", "b/test_b.py"), folder="b"),
    Case("testpaths that are not there", ini("testpaths = nowhere also/not", "a/test_a.py"), versions=SINCE_8),
    Case("testpaths as patterns", ini("testpaths = a/*/tests b/** .x", "a/x/tests/test_a.py", "a/y/tests/test_b.py", "a/.z/tests/test_c.py", "a/tests/test_d.py", "b/c/test_e.py", "b/c/helper.py", ".x/test_f.py"), versions=NEW),
    Case("testpaths as a pattern of files", ini("testpaths = **/h*.py", "helper.py", "a/help.py", "a/test_a.py", "a/.b/hidden.py", "build/h.py"), versions=SINCE_8),
    Case("paths in addopts of the settings", ini("addopts = a\ntestpaths = b", "a/test_a.py", "b/test_b.py", "c/test_c.py"), ["c"]),
    Case("options in addopts of the settings", {**ini("addopts = -ra --doctest-modules -k 'not x' --ignore=a -p no:randomly --tb short", "a/test_a.py", "b/b.py", "test_c.py")}),
    Case("settings by -c", {"other/my.ini": "[pytest]\npython_files = check_*.py\n", "pytest.ini": "[pytest]\npython_files = no.py\n", **tree("check_a.py", "test_b.py")}, addopts="-c other/my.ini"),
    Case("a rootdir by option", ini("testpaths = a", "a/test_a.py", "b/test_b.py"), addopts="--rootdir=b"),
    Case("settings by -o", ini("python_files = no.py", "check_a.py", "test_b.py"), addopts="-o 'python_files=check_*.py x.py'"),
    Case("tox.ini", {"tox.ini": "[tox]\nenvlist = a\n[pytest]\npython_files = check_*.py\n", **tree("check_a.py", "test_b.py")}),
    Case("tox.ini of others", {"tox.ini": "[tox]\nenvlist = a\n", **tree("check_a.py", "test_b.py")}),
    Case("setup.cfg", {"setup.cfg": "[metadata]\nname = a\n\n[tool:pytest]\npython_files: check_*.py\n", **tree("check_a.py", "test_b.py")}),
    Case("pyproject.toml", {"pyproject.toml": "[tool.pytest.ini_options]\npython_files = ['check_*.py', 'b*.py']\nminversion = '6'\n", **tree("check_a.py", "bc.py", "test_b.py")}),
    Case("pyproject.toml with texts", {"pyproject.toml": "[tool.pytest.ini_options]\npython_files = 'check_*.py b*.py'\naddopts = \"\"\"-ra\n--ignore=x\"\"\"\n", **tree("check_a.py", "bc.py", "test_b.py", "x/check_d.py")}),
    Case("pyproject.toml of pytest 9", {"pyproject.toml": "[tool.pytest]\npython_files = ['check_*.py']\n", **tree("check_a.py", "test_b.py")}, versions=NEW),
    Case("pytest.toml", {"pytest.toml": "[pytest]\npython_files = ['check_*.py']\n", "pytest.ini": "[pytest]\n", **tree("check_a.py", "test_b.py")}, versions=NEW),
    Case(".pytest.toml", {".pytest.toml": "[pytest]\ntestpaths = ['a']\n", **tree("a/test_a.py", "test_b.py")}, versions=NEW),
    Case("an empty pytest.ini hides the others", {"pytest.ini": "", "tox.ini": "[pytest]\npython_files = check_*.py\n", **tree("check_a.py", "test_b.py")}),
    Case(".pytest.ini", {".pytest.ini": "[pytest]\npython_files = check_*.py\n", **tree("check_a.py", "test_b.py")}, versions=SINCE_8),
    Case("the order of the files", {"pyproject.toml": "[tool.pytest.ini_options]\npython_files = 'one_*.py'\n", "tox.ini": "[pytest]\npython_files = two_*.py\n", "setup.cfg": "[tool:pytest]\npython_files = three_*.py\n", **tree("one_a.py", "two_a.py", "three_a.py")}),
    Case("a project inside a project", {**ini("python_files = outer_*.py", "outer_a.py", "in/outer_b.py", "in/inner_c.py"), "in/pytest.ini": "[pytest]\npython_files = inner_*.py\n"}, ["in"]),
    Case("two projects inside a project", {**ini("python_files = outer_*.py", "a/outer_a.py", "a/inner_a.py", "b/inner_b.py"), "a/pytest.ini": "[pytest]\npython_files = inner_*.py\n"}, ["a", "b"]),
    Case("settings from one of two paths", {**tree("a/inner_a.py", "a/test_a.py", "b/inner_b.py", "b/test_b.py"), "a/pytest.ini": "[pytest]\npython_files = inner_*.py\n"}, ["a", "b"]),
    Case("a file of arguments", {**tree("a/test_a.py", "b/test_b.py", "test_c.py"), "list": "a\nb/test_b.py::test_it\n"}, ["@list"], versions=SINCE_8),
    Case("links", {**tree("real/test_a.py", "real/helper.py"), "link": "-> real", "test_link.py": "-> real/helper.py", "gone": "-> nowhere", "test_gone.py": "-> nowhere.py"}),
    Case("a link to a folder given", {**tree("real/sub/test_a.py"), "link": "-> real"}, ["link/sub"]),
    Case("a folder with the name of a test", {**tree("test_a.py/test_b.py", "test_c.py")}),
    Case("a broken module", {"test_a.py": "def (", "test_b.py": A_TEST}),
    Case("pytest is told of other plugins", tree("a/test_a.py", "b/test_b.py"), ["a"], addopts="-p no:randomly -p no:xdist -W ignore"),
]

COUNTED = {
    "plain": A_TEST,
    "classes": "class TestA:\n    def test_a(self): pass\n    def helper(self): pass\n    class TestB:\n        def test_b(self): pass\nclass Other:\n    def test_c(self): pass\nclass TestInit:\n    def __init__(self): pass\n    def test_d(self): pass\n",
    "unittest": "import unittest\nclass Base(unittest.TestCase):\n    def test_a(self): pass\nclass Child(Base):\n    def test_b(self): pass\n    def testC(self): pass\n    def tes(self): pass\n",
    "inherited": "class Mixin:\n    def test_a(self): pass\nclass TestX(Mixin):\n    def test_b(self): pass\nclass TestY(TestX): pass\n",
    "parameters": "import pytest\nCASES = [\n    (1, 2),  # (\n    (3, '4,]'),\n]\n@pytest.mark.parametrize(('a', 'b'), CASES)\n@pytest.mark.parametrize('c', [1, 2, 3])\ndef test_a(a, b, c): pass\n@pytest.mark.parametrize('d', range(4), ids=str)\ndef test_b(d): pass\n@pytest.mark.parametrize('e', [])\ndef test_c(e): pass\n",
    "class parameters": "import pytest\n@pytest.mark.parametrize('a', [1, 2])\nclass TestX:\n    def test_a(self, a): pass\n    @pytest.mark.parametrize('b', (1, 2))\n    def test_b(self, a, b): pass\n",
    "text": '"""\ndef test_no(): pass\n"""\nx = \'\'\'\ndef test_no(): pass\n\'\'\'\ny = f"{x[:1]}" # def test_no\ndef test_a():\n    def test_no(): pass\n    return\n',
    "twice": "if True:\n    def test_a(): pass\nelse:\n    def test_a(): pass\ntry:\n    def test_b(): pass\nfinally:\n    pass\nasync def test_c(): pass\n",
    "fixtures": "import pytest\n@pytest.fixture\ndef test_data(): return 1\n@pytest.fixture(\n    scope='module')\ndef test_more(): return 1\ndef test_a(test_data): pass\n",
    "off": "class TestX:\n    __test__ = False\n    def test_a(self): pass\ndef test_b(): pass\n",
    "tabs": "class TestX:\n\tdef test_a(self):\n\t\tpass\n\n\tdef test_b(self): \\\n\t\tpass\n",
}


def random_project(number):
    """The same for the same number."""
    chance = random.Random(number)
    folders = ["tests", "unit", "build", ".h", "venv", "pkg", "sp ace", "é", "x.egg", "a", "b", "__pycache__", "env"]
    names = ["test_a.py", "b_test.py", "helper.py", "check_c.py", "conftest.py", "__init__.py", "test_d.txt", "e.txt", "f.rst", "setup.py", "__main__.py", "test.py", "test_g.md", ".test_h.py"]
    patterns = ["test_*.py", "check_*.py", "*_test.py", "tests/*.py", "unit/test_*.py", "*", "[!h]*.py", "?*_?.py", "helper.py"]
    below = [""]
    for _ in range(chance.randint(1, 8)):
        below.append(os.path.join(chance.choice(below), chance.choice(folders)))
    files = {}
    for folder in below:
        for name in chance.sample(names, chance.randint(0, 5)):
            files[os.path.join(folder, name)] = "setuptools\n" if name == "setup.py" and chance.random() < 0.5 else A_TEST if name != "conftest.py" else ""
    settings = {}
    if chance.random() < 0.4:
        settings["python_files"] = chance.sample(patterns, chance.randint(1, 3))
    if chance.random() < 0.3:
        settings["norecursedirs"] = chance.sample([*folders, "*", "a*", "tests/a", "p?g"], chance.randint(1, 3))
    if chance.random() < 0.3:
        settings["testpaths"] = chance.sample([*folders, "nowhere"], chance.randint(1, 2))
    options = []
    if chance.random() < 0.2:
        options.append("--doctest-modules")
    if chance.random() < 0.2:
        options.append("--doctest-glob=" + chance.choice(["*.md", "*.rst", "a/*", "test*"]))
    if chance.random() < 0.3:
        options.append("--ignore=" + chance.choice([*below, *files, "a"]).replace(" ", "*"))
    if chance.random() < 0.3:
        options.append("--ignore-glob=" + chance.choice(["*a*", "tests/*", "*.py", "*/[a-c]*"]))
    if options and chance.random() < 0.5:
        settings["addopts"] = options
        options = []
    if settings:
        lines = [f"{name} =\n" + "".join(f"    '{word}'\n" for word in words) for name, words in settings.items()]
        toml = "".join(f"{name} = {json.dumps(words, ensure_ascii=False)}\n" for name, words in settings.items())
        name, text = chance.choice([
            ("pytest.ini", "[pytest]\n" + "".join(lines)),
            ("tox.ini", "[pytest]\n" + "".join(lines)),
            ("setup.cfg", "[tool:pytest]\n" + "".join(lines)),
            ("pyproject.toml", "[tool.pytest.ini_options]\n" + toml),
        ])
        files[os.path.join(chance.choice(["", "", "", chance.choice(below)]), name)] = text
    paths = []
    if chance.random() < 0.5:
        given = [folder or "." for folder in below if any(name.startswith(folder) for name in files)]
        given += [name for name in files if name.endswith(".py")]
        paths = without_overlap(chance.sample(given, min(len(given), chance.randint(1, 3))))
    # pytest 7.0 opens nothing where the testpaths are not there.
    versions = SINCE_8 if "testpaths" in settings else VERSIONS
    return Case(f"random {number}", files, paths, " ".join(f"'{option}'" for option in options), versions=versions)


def without_overlap(paths):
    """A path inside another one is taken differently by each version of pytest; an __init__.py given by pytest 7."""
    inside = lambda path, other: other == "." or path.startswith(other + "/")
    kept = [path for path in paths if not any(inside(path, other) for other in paths if other != path)]
    return [path for path in kept if not path.endswith("__init__.py")]


EVERY_CASE = CASES + [random_project(number) for number in range(RANDOM_PROJECTS)]


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    """The folder of every case."""
    root = tmp_path_factory.mktemp("projects").resolve()
    folders = {}
    for number, case in enumerate(EVERY_CASE):
        write(root / str(number), case.files)
        folders[case.name] = root / str(number) / case.folder
    return folders


@pytest.fixture(scope="session")
def opened(projects):
    """By version and case: what pytest opened."""

    @functools.cache
    def by_version(version):
        python = CACHE / "venvs" / version / "bin/python"
        cases = [case for case in EVERY_CASE if version in case.versions]
        results = ask_pytest(python, [(projects[case.name], case.paths, case.addopts) for case in cases])
        return {case.name: result for case, result in zip(cases, results)}

    return by_version


def ask_pytest(python, requests):
    text = json.dumps([{"folder": str(folder), "arguments": paths, "addopts": addopts} for folder, paths, addopts in requests])
    environment = {**clean_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    script = [str(python), str(HERE / "collected_files.py")]
    run = subprocess.run(script, input=text, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def clean_environment():
    ours = ("PYTEST_", "PARALLEL_PYTEST_", "GITHUB_", "ACTIONS_", "INPUT_", "RUNNER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def planned(folder, paths, addopts, plan_file):
    environment = {**clean_environment(), "PYTEST_ADDOPTS": addopts}
    command = [BINARY, "plan", "--shards", "1", "--plan-file", str(plan_file), "--", *paths]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert plan_file.exists(), run.stderr
    return json.loads(plan_file.read_text(encoding="utf-8")), run.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.name)
def test_the_plan_names_the_files_that_pytest_opens(case, version, projects, opened, tmp_path):
    if version not in case.versions:
        pytest.skip(f"{version} does it another way")
    plan, said = planned(projects[case.name], case.paths, case.addopts, tmp_path / "plan.json")
    expected = opened(version)[case.name]
    assert sorted(plan["files"]) == expected["files"], said


def test_the_cases_have_files_to_find(opened):
    """Else the comparison would be one of nothing with nothing."""
    found = [name for name, result in opened("pytest9").items() if result["files"]]
    assert len(found) > 0.8 * len(EVERY_CASE)


@pytest.mark.parametrize("source", COUNTED.values(), ids=COUNTED.keys())
def test_the_plan_counts_the_tests_that_pytest_finds(source, tmp_path):
    write(tmp_path / "project", {"test_a.py": source})
    plan, _ = planned(tmp_path / "project", [], "", tmp_path / "plan.json")
    [expected] = ask_pytest(CACHE / "venvs/pytest9/bin/python", [(tmp_path / "project", [], "")])
    assert plan["shards"][0]["tests"] == expected["tests"]
