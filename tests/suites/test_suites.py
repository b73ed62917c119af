"""Suites that nobody here wrote: the shards together are the serial run, and so is their coverage.

The oracles are pytest itself in one process, with a recorder of its own, and coverage.py's `combine`.
"""

import collections

import oracle
import pytest
from conftest import ROWS
from suites import SUITES

CASES = [
    pytest.param(suite, shards, id=f"{suite.name}-{shards}") for suite in SUITES for shards in suite.shards
]
EVERY_CASE = pytest.mark.parametrize(("suite", "shards"), CASES, scope="module")


@pytest.fixture(scope="module")
def row(suite, shards):
    row = {"suite": suite.name, "N": shards, "union = serial": "NO", "coverage = combine": "NO"}
    ROWS.append(row)
    return row


@EVERY_CASE
def test_the_shards_together_are_the_serial_run(suite, shards, row):
    serial, local = oracle.serial(suite), oracle.local(suite, shards)
    row |= {
        "tests": serial.outcomes.total(),
        "serial s": f"{serial.seconds:.1f}",
        "local s": f"{local.seconds:.1f}",
    }

    twice = [
        test
        for test, count in collections.Counter(name for name, _ in serial.outcomes.elements()).items()
        if count > 1
    ]
    assert not twice, "the serial run itself is no oracle: these ids are not unique"
    assert serial.outcomes, serial.output

    never, beyond = serial.outcomes - local.outcomes, local.outcomes - serial.outcomes
    assert not never and not beyond, (
        f"only serial: {sorted(never)[:20]}\nonly sharded: {sorted(beyond)[:20]}\n{local.output[-3000:]}"
    )

    tests = collections.Counter((test["id"], test["outcome"]) for test in local.result["tests"])
    missing, unknown = serial.outcomes - tests, tests - serial.outcomes
    assert not missing and not unknown, (
        f"not in result.json: {sorted(missing)[:20]}\nonly there: {sorted(unknown)[:20]}"
    )
    row["union = serial"] = "yes"


@EVERY_CASE
def test_the_totals_and_the_verdict_are_those_of_the_serial_run(suite, shards):
    serial, local = oracle.serial(suite), oracle.local(suite, shards)
    totals = collections.Counter(outcome for _, outcome in serial.outcomes.elements())
    counted = {name: count for name, count in local.result["totals"].items() if count and name != "all"}
    assert counted == totals
    red = bool(totals["failed"] or totals["error"])
    assert (local.exit, local.result["verdict"]) == ((1, "red") if red else (0, "green")), local.output[
        -3000:
    ]
    assert serial.exit == local.exit


@EVERY_CASE
def test_the_merged_coverage_is_that_of_coverage_combine(suite, shards, row):
    local = oracle.local(suite, shards)
    combined = oracle.combined(suite, local)

    totals, files = oracle.coverage_xml(local.folder / "coverage.xml", suite.cwd)
    expected_totals, expected_files = oracle.coverage_xml(combined / "coverage.xml", suite.cwd)
    assert set(files) == set(expected_files)
    for name, lines in expected_files.items():
        assert not oracle.differences(files[name], lines), name
    assert totals == expected_totals

    totals, json_files = oracle.coverage_json(local.folder / "coverage.json")
    expected_totals, expected_json_files = oracle.coverage_json(combined / "coverage.json")
    assert set(json_files) == set(expected_json_files)
    for name, file in expected_json_files.items():
        assert not oracle.differences(json_files[name], file), name
    assert totals == expected_totals

    lines = [line for file in files.values() for line in file.values()]
    branches = sum(line.branches[1] for line in lines if line.branches)
    assert lines and bool(branches) == (not suite.coverage_config)
    row |= {"lines": len(lines), "branches": branches, "coverage = combine": "yes"}
