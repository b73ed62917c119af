"""The reports of the night: slow, and each class shares what it computes."""

import time

import pytest

pytestmark = pytest.mark.slow


class TestSales:
    @pytest.fixture(scope="class")
    @classmethod
    def sales(cls):
        time.sleep(0.8)
        return {"2023": 3, "2024": 5, "2025": 8}

    @pytest.mark.parametrize("year", ["2023", "2024", "2025"])
    def test_something_was_sold(self, sales, year):
        time.sleep(0.3)
        assert sales[year] > 0

    def test_it_grows(self, sales):
        assert list(sales.values()) == sorted(sales.values())


class TestStock:
    @pytest.fixture(scope="class")
    @classmethod
    def shelves(cls):
        time.sleep(0.5)
        return range(4)

    @pytest.mark.parametrize("shelf", [0, 1, 2, 3])
    def test_a_shelf_is_counted(self, shelves, shelf):
        time.sleep(0.25)
        assert shelf in shelves
