"""Every command that the README shows does, as it is written there, what the README says."""

import os
import re
import subprocess
import textwrap

import pytest
import suites
from oracle import BINARY

README = (suites.REPOSITORY / "README.md").read_text()
WORKFLOWS = "".join(file.read_text() for file in sorted((suites.REPOSITORY / ".github/workflows").glob("*.yml")))
SHARDS = 4
# What the tools of other languages list, and what they are given back.
LISTS = {
    "go": ("list ./...", ["example.org/shop", "example.org/shop/basket", "example.org/shop/money", "example.org/shop/text", "example.org/shop/web"]),
    "npx": ("jest --listTests", [f"/srv/shop/src/{name}.test.ts" for name in ("basket", "money", "text", "web", "search")]),
    "cargo": ("nextest list --message-format oneline", [f"shop::it basket::holds_{number}" for number in range(9)]),
}
RECORDED = ("go", "gotestsum", "npx", "bundle", "cargo", "mvn")


def commands():
    """The commands of all console blocks, without the comments behind them."""
    for block in re.findall(r"^```console\n(.*?)^```", README, re.M | re.S):
        for command in re.findall(r"^\$ ((?:.*\\?\n)(?:      .*\n)*)", block, re.M):
            yield re.sub(r"\s+# .*", "", command).strip()


def of(*words):
    found = [command for command in commands() if all(word in command for word in words)]
    assert found, f"the README has no command with {words}"
    return found


@pytest.fixture
def project(tmp_path):
    """A package with tests, a virtual environment and the binary, as after `pip install`."""
    files = {
        "src/shop/__init__.py": "def price(number):\n    return 3 * number\n",
        **{f"tests/test_{name}.py": f"from shop import price\n\ndef test_{name}():\n    assert price(2) == 6\n" for name in "abcdefgh"},
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "parallel-pytest").symlink_to(BINARY)
    return tmp_path


def run(project, command, **environment):
    path = os.pathsep.join([str(project / "tools"), str(suites.venv("tests/suites/requirements.txt") / "bin"), os.environ["PATH"]])
    env = {"PATH": path, "HOME": str(project), "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=project, env=env, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_first_command_leaves_the_report_it_promises(project):
    (command,) = of("local", "--cov=src")
    output = run(project, command)
    assert "8 tests passed" in output
    promised = re.search(r"leaves all of it in `report/`: (.*?) and badges", README, re.S).group(1)
    names = re.findall(r"`([^`]+)`", promised)
    assert len(names) >= 7 and all((project / "report" / name).is_file() for name in names)


def test_a_plan_jobs_and_a_publication_on_any_ci(project):
    (plan,), (publish,) = of("plan --shards"), of("publish --reports")
    (job,) = of("run --shard 3/4")
    run(project, plan)
    for number in range(1, SHARDS + 1):
        run(project, job.replace("3/4", f"{number}/{SHARDS}"))
    assert "8 tests passed" in run(project, publish)


@pytest.mark.parametrize("command", of("parallel-pytest split"), ids=lambda command: command.split()[0])
def test_the_parts_of_a_suite_of_another_language_are_the_suite(project, command):
    for name in RECORDED:
        # Lists when it is asked to list, and else writes down what it was given.
        question, answer = LISTS.get(name, ("-", []))
        (project / "tools" / name).write_text(textwrap.dedent(f"""\
            #!/bin/sh
            if [ "$*" = "{question}" ]; then
              printf '%s\\n' {' '.join(f"'{line}'" for line in answer)}
            else
              printf '%s\\n' "$@" >> "$RECORD"
            fi
        """))
        (project / "tools" / name).chmod(0o755)
    names = LISTS.get(command.split()[0], ("", []))[1]
    if command.startswith("find"):
        folder, pattern = re.match(r"find (\S+) -name '([^']*)'", command).groups()
        names = [f"{folder}/some/{pattern.replace('*', name)}" for name in ("Basket", "Money", "Text", "Web", "Search")]
        for name in names:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).touch()
    given = []
    for number in range(1, SHARDS + 1):
        record = project / f"record-{number}"
        run(project, command.replace("2/4", f"{number}/{SHARDS}"), RECORD=str(record))
        given.append(record.read_text() if record.exists() else "")
    for name in names:
        # cargo is asked for tests without their binary, Maven for classes.
        known_as = name.rsplit(" ", 1)[-1].rsplit("/", 1)[-1].removesuffix(".java")
        owners = [part for part in given if re.search(rf"(?<![\w.]){re.escape(known_as)}(?![\w/])", part)]
        assert len(owners) == 1, f"{known_as} in {given}"


@pytest.mark.parametrize("command", of("make "))
def test_a_workflow_does_what_make_does(command):
    workflow_runs = WORKFLOWS + (suites.REPOSITORY / ".ci/run").read_text().replace("--no-print-directory ", "")
    assert command in workflow_runs
