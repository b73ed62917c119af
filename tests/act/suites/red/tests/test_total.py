import pytest

from shop.prices import total


@pytest.mark.parametrize("discount, expected", [(0, 30), (10, 27), (50, 15)])
def test_a_discount_is_taken_off(discount, expected):
    assert total([10, 20], discount) == expected


def test_no_prices_cost_nothing():
    assert total([]) == 0
