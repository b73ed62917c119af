import pytest

from shop.prices import total


def test_a_discount_of_everything_is_refused():
    with pytest.raises(ValueError, match="out of range"):
        total([1], 100)


@pytest.mark.skip(reason="prices in other currencies come later")
def test_currencies():
    raise NotImplementedError
