from shop.prices import total


def test_a_discount_of_everything_is_allowed():
    assert total([1], 100) == 0


def test_half_a_discount():
    assert total([3], 50) == 2
