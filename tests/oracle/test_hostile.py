"""What an attacker, a broken disk or a killed process leaves: one line each, in bounds of time and memory, and the rest
is merged nonetheless."""

import json
import os
import random
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

coverage = pytest.importorskip("coverage", minversion="7.17")

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("PARALLEL_PYTEST_BINARY", str(HERE.parent.parent / "target/release/parallel-pytest"))
MAX_SECONDS = 2  # of CPU, so that a busy machine does not matter
MAX_MIB = 256
LOST = 3

GOOD_JUNIT = '<testsuite name="s" tests="1"><testcase classname="good" name="one"/></testsuite>'


def suite(inner):
    return f'<testsuite name="s">{inner}</testsuite>'


JUNIT = {
    "billion-laughs": lambda: '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + suite('<testcase name="&b;"/>'),
    "external-file": lambda: '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + suite('<testcase name="&a;"/>'),
    "external-page": lambda: '<!DOCTYPE l SYSTEM "http://127.0.0.1/l.dtd">' + suite(""),
    "two-doctypes": lambda: "<!DOCTYPE a><!DOCTYPE b>" + suite(""),
    "attributes": lambda: suite("<testcase " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>"),
    "depth": lambda: "<testsuite>" * 1_000_000,
    "long-attribute": lambda: suite('<testcase name="' + "x" * (40 << 20) + '"/>'),
    "long-text": lambda: suite("<testcase name='a'><failure>" + "x" * (40 << 20) + "</failure></testcase>"),
    "long-comment": lambda: suite("<!--" + "x" * (40 << 20) + "-->"),
    "long-cdata": lambda: suite("<testcase name='a'><system-out><![CDATA[" + "x" * (40 << 20) + "]]></system-out></testcase>"),
    "references": lambda: suite("<testcase name='a'><failure>" + "&#65;" * 17_000_000 + "</failure></testcase>"),
    "unclosed": lambda: suite("<testcase name='a'>")[:-12],
    "binary": lambda: "\0\1\2\3" * 1000,
    "empty": lambda: "",
    "foreign": lambda: "<coverage/>",
    "deep-json": lambda: '{"stats": {"tests": 1}, "tests": [' + "[" * 5_000_000,
    "long-json": lambda: '{"stats": {"tests": 1}, "tests": [{"title": "' + "x" * (60 << 20),
    "events": lambda: '{"protocolVersion":"0.1.1","type":"start"}\n{"type":"testStart","test":' + "[" * 5_000_000,
    "subtests": lambda: "TAP version 14\n" + " " * 4000 + "ok 1 - a\n",
    "gave-up": lambda: "TAP version 14\nBail out! no disk\n",
}

# What is odd but harmless is read, in the same bounds.
HARMLESS = {
    "many-suites": lambda: "<testsuites>" + "<testsuite/>" * 500_000 + "</testsuites>",
    "many-comments": lambda: suite("<!---->" * 2_000_000),
    "control-characters": lambda: suite("<testcase name='" + "".join(map(chr, range(0x7F, 0x600))) + "&#x1b;[31m&#x202e;'/>"),
    "numbers": lambda: suite("<testcase name='a' time='1e308'/><testcase name='b' time='NaN'/><testcase name='c' time='-1' line='99999999999999'/>"),
}


# The peak of a process is at least that of the one which started it: so a small one does.
MEASURE = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def merge(folder, *words):
    """Runs it, and returns its status, what it said, the seconds of CPU and the MiB it took."""
    command = [sys.executable, "-S", "-c", MEASURE, BINARY, "merge", "--output", "report", *words]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    status, seconds, memory = json.loads(result.stdout)
    return status, result.stderr, seconds, memory


def check_bounds(name, seconds, memory):
    assert seconds <= MAX_SECONDS, f"{name}: {seconds:.1f} s"
    assert memory <= MAX_MIB, f"{name}: {memory:.0f} MiB"


@pytest.mark.parametrize("name", JUNIT)
def test_a_hostile_report_costs_one_line(tmp_path, name):
    (tmp_path / "good.xml").write_text(GOOD_JUNIT)
    (tmp_path / "bad").write_text(JUNIT[name]())
    status, said, seconds, memory = merge(tmp_path, "--junit", "good.xml", "bad")
    assert status == LOST, said
    assert len([line for line in said.splitlines() if "bad: it " in line]) == 1 and len(said) < 2000, said
    assert "root:" not in said
    assert "good::one" in (tmp_path / "report/junit.xml").read_text() or 'classname="good"' in (tmp_path / "report/junit.xml").read_text()
    check_bounds(name, seconds, memory)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_odd_is_read(tmp_path, name):
    (tmp_path / "odd.xml").write_text(HARMLESS[name]())
    status, said, seconds, memory = merge(tmp_path, "--junit", "odd.xml")
    assert status == 0, said
    written = (tmp_path / "report/junit.xml").read_text()
    assert "\x1b" not in written and "\u202e" not in written
    check_bounds(name, seconds, memory)


def data_file(path):
    data = coverage.CoverageData(str(path))
    data.add_lines({f"/app/m{number}.py": set(range(1, 200)) for number in range(300)})
    data.write()
    return path.read_bytes()


POISON = {
    "view": "drop table file; create view file as with recursive n(id) as (select 1 union all select id + 1 from n limit 100000000) select id, 'a' || id as path from n;",
    "trigger": "create trigger t after insert on file begin delete from file; end;",
    "virtual": "create virtual table x using fts5(a);",
    "generated": "drop table line_bits; create table line_bits(file_id, context_id, numbits as (zeroblob(100000000)));",
    "huge-bits": "update line_bits set numbits = zeroblob(50000000) where file_id = 1;",
    "schema": "update coverage_schema set version = 99;",
    "huge-path": "update file set path = hex(zeroblob(5000000)) where id = 1;",
    "wide": "create table wide(" + ", ".join(f"c{n}" for n in range(1900)) + ");",
    "tables": "".join(f"create table t{n}(a);" for n in range(500)),
    "encoding": None,
}


@pytest.mark.parametrize("name", POISON)
def test_a_hostile_database_costs_one_line(tmp_path, name):
    whole = data_file(tmp_path / "good")
    path = tmp_path / "bad"
    path.write_bytes(whole)
    if POISON[name] is None:
        path.write_bytes(whole[:56] + struct.pack(">I", 3) + whole[60:])
    else:
        connection = sqlite3.connect(path)
        connection.executescript(POISON[name])
        connection.close()
    status, said, seconds, memory = merge(tmp_path, "--coverage", "good", "bad")
    # A trigger or a table that coverage.py does not know is never run or read.
    if status == LOST:
        assert len([line for line in said.splitlines() if "bad: " in line]) == 1, said
    else:
        assert (status, name) in {(0, name) for name in ("trigger", "virtual", "generated", "wide", "tables")}, said
    check_bounds(name, seconds, memory)


def test_a_database_cut_or_changed_anywhere_is_bounded(tmp_path):
    whole = data_file(tmp_path / "good")
    chance = random.Random(4)
    names = []
    for end in [*range(0, 200, 25), *range(4096, len(whole), max(4096, len(whole) // 4096 // 12 * 4096))]:
        names.append(f"cut{end}")
        (tmp_path / names[-1]).write_bytes(whole[:end])
    for number in range(150):
        changed = bytearray(whole)
        at = chance.randrange(100) if number < 100 else chance.randrange(len(whole))
        changed[at] ^= 1 << chance.randrange(8)
        names.append(f"changed{number}")
        (tmp_path / names[-1]).write_bytes(changed)
    status, said, seconds, memory = merge(tmp_path, "--coverage", "good", *names)
    assert status == LOST
    assert "panicked" not in said
    lines = [line for line in said.splitlines() if ": it is left out" in line]
    assert all(sum(f" {name}: " in line for line in lines) == 1 for name in names if name.startswith("cut")), said
    check_bounds("all", seconds / 4, memory)


COVERAGE = {
    "doctype.xml": lambda: '<!DOCTYPE c [<!ENTITY a "ha">]><coverage><packages/></coverage>',
    "depth.xml": lambda: "<coverage>" + "<a>" * 1_000_000,
    "attributes.xml": lambda: "<coverage " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>",
    "long.xml": lambda: "<coverage><!--" + "x" * (60 << 20),
    "branches.xml": lambda: '<coverage><packages><package><classes><class filename="a.py"><lines><line number="1" hits="1" branch="true" condition-coverage="0% (0/4000000000)"/></lines></class></classes></package></packages></coverage>',
    "depth.json": lambda: '{"meta": {"version": "7"}, "files": ' + "[" * 5_000_000,
    "long.json": lambda: '{"meta": {"version": "' + "x" * (60 << 20),
    "cut.json": lambda: '{"meta": {"version": "7.0", "branch_coverage": false}, "files": {"a.py": {"executed_lines": [1,',
    "long.info": lambda: "TN:\nSF:" + "x" * (60 << 20),
    "open.info": lambda: "TN:\nSF:a.py\nDA:1,1\n",
    "numbers.info": lambda: "TN:\nSF:a.py\nDA:99999999999999999999,1\nend_of_record\n",
    "nothing": lambda: "hello",
}


@pytest.mark.parametrize("name", COVERAGE)
def test_a_hostile_coverage_report_costs_one_line(tmp_path, name):
    (tmp_path / "good.json").write_text(json.dumps({"meta": {"version": "7.17.3", "branch_coverage": False}, "files": {"good.py": {"executed_lines": [1], "missing_lines": [2], "summary": {}}}}))
    (tmp_path / name).write_text(COVERAGE[name]())
    status, said, seconds, memory = merge(tmp_path, "--coverage", "good.json", name)
    assert status == LOST, said
    assert len([line for line in said.splitlines() if f"{name}: " in line]) == 1 and len(said) < 2000, said
    assert list(json.loads((tmp_path / "report/coverage.json").read_text())["files"]) == ["good.py"]
    check_bounds(name, seconds, memory)
