"""Fails on purpose, in every way a test can: `pytest tests bookshop red`."""

import logging
import unittest

import pytest

from bookshop import pricing


def test_a_comparison_fails():
    assert pricing.parse_price("12,50 €") == 1251


def test_an_error_deep_in_the_project():
    pricing.discount_percent(-1)


@pytest.mark.parametrize(
    "text", ["ok", "<script>alert(1)</script>", "a | b `c` @everyone", "bad\n::error::line"]
)
def test_only_some_parameters_fail(text):
    assert text == "ok", f"found {text}"


def test_it_talks_before_it_fails(capsys):
    print("printed to stdout")
    logging.getLogger("bookshop").warning("logged as a warning")
    with capsys.disabled():
        pass
    pytest.fail("and then it failed")


@pytest.fixture
def no_database():
    raise ConnectionError("the database is away")


def test_its_setup_fails(no_database):
    pass


@pytest.fixture
def leaves_a_mess():
    yield
    raise OSError("could not clean up")


def test_its_teardown_fails(leaves_a_mess):
    pass


@pytest.mark.xfail(reason="thought to be broken", strict=True)
def test_it_was_expected_to_fail():
    pass


def test_some_subtests_fail(subtests):
    for n in range(4):
        with subtests.test("odd numbers", n=n):
            assert n % 2 == 0


class Unit(unittest.TestCase):
    def test_equal(self):
        self.assertEqual({"a": 1}, {"a": 2})
