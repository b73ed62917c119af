"""A suite that mostly waits, as those do that drive a browser, a queue or somebody else's service."""

import os
import time

import pytest

SECONDS = float(os.environ.get("WAIT_SECONDS") or 0.05)
pytestmark = pytest.mark.parametrize("visitor", range(20))


def test_the_front_page(visitor):
    time.sleep(SECONDS)


def test_the_search(visitor):
    time.sleep(SECONDS)


def test_a_product(visitor):
    time.sleep(SECONDS)


def test_the_basket(visitor):
    time.sleep(SECONDS)


def test_the_checkout(visitor):
    time.sleep(2 * SECONDS)


def test_the_payment(visitor):
    time.sleep(3 * SECONDS)


def test_the_account(visitor):
    time.sleep(SECONDS)


def test_the_help(visitor):
    time.sleep(SECONDS)
