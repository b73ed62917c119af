import sys

import pytest

from bookshop import pricing


@pytest.mark.parametrize(
    ("text", "cents"),
    [("12", 1200), ("12.5", 1250), ("12,50 €", 1250), (" 0,99", 99), ("7.", 700), ("0", 0)],
)
def test_a_price_is_read(text, cents):
    assert pricing.parse_price(text) == cents


@pytest.mark.parametrize(
    "text",
    ["", "€", "-1", "1.234", "a b", "1::2", "[12]", "Größe", "1\n2", "zwölf €", "1/2", "1 2", "∞"],
)
def test_what_is_not_a_price_is_refused(text):
    with pytest.raises(ValueError, match="not a price"):
        pricing.parse_price(text)


@pytest.mark.parametrize("kind", ["book", "magazine", "mug", "gift [card]", "Tüte für 1 €"])
@pytest.mark.parametrize("cents", [0, 1, 99, 12345])
def test_tax_never_makes_a_thing_cheaper(kind, cents):
    assert pricing.with_tax(cents, kind) >= cents


@pytest.mark.parametrize(("copies", "percent"), [(1, 0), (3, 5), (10, 10), (50, 20), (10**6, 20)])
def test_more_copies_cost_less_each(copies, percent):
    assert pricing.discount_percent(copies) == percent


def test_nobody_buys_nothing():
    with pytest.raises(ValueError, match="cannot sell 0 copies"):
        pricing.discount_percent(0)


@pytest.mark.skip(reason="prices in yen have no cents; not sold yet")
def test_yen():
    assert pricing.parse_price("1200 ¥") == 1200


@pytest.mark.skipif(sys.platform != "win32", reason="only on Windows")
def test_windows_writes_its_own_euro_sign():
    assert pricing.parse_price("1 \x80") == 100


@pytest.mark.xfail(reason="thousands separators are not understood yet", raises=ValueError, strict=True)
@pytest.mark.parametrize("text", ["1.234,50 €", "1,234.50 €"])
def test_a_price_with_thousands(text):
    assert pricing.parse_price(text) == 123450


@pytest.mark.xfail(reason="believed to be broken; it is not, so it counts as an unexpected pass")
def test_a_price_of_many_digits():
    assert pricing.parse_price("9" * 30) == int("9" * 30) * 100
