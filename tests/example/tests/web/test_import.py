"""Tests that wait, as those of an import from a publisher's slow server would."""

import time

import pytest

from bookshop import isbn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def publisher():
    time.sleep(0.6)
    return ["978-3-16-148410-0", "978-0-306-40615-7"]


@pytest.mark.parametrize("page", range(6))
def test_a_page_is_imported(publisher, page):
    time.sleep(0.35)
    assert all(map(isbn.is_valid, publisher))


def test_the_whole_catalogue(publisher, catalogue):
    time.sleep(1.0)
    assert set(publisher) <= set(catalogue)
