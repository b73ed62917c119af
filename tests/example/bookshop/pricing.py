"""Prices in cents.

>>> with_tax(1000, "book")
1070
>>> with_tax(1000, "mug")
1190
"""

TAX_PERCENT = {"book": 7, "magazine": 7}
DISCOUNTS = ((50, 20), (10, 10), (3, 5))


def with_tax(cents, kind):
    """The price that the customer pays, rounded to whole cents.

    >>> with_tax(999, "book")
    1069
    """
    return round(cents * (100 + TAX_PERCENT.get(kind, 19)) / 100)


def discount_percent(copies):
    """What we give for many copies of one book.

    >>> [discount_percent(n) for n in (1, 3, 10, 50)]
    [0, 5, 10, 20]
    """
    if copies < 1:
        raise ValueError(f"cannot sell {copies} copies")
    for least, percent in DISCOUNTS:
        if copies >= least:
            return percent
    return 0


def parse_price(text):
    """Cents of what a person typed.

    >>> parse_price("12,50 €"), parse_price("12.5"), parse_price("12")
    (1250, 1250, 1200)
    """
    text = text.replace("€", "").replace(",", ".").strip()
    whole, _, cents = text.partition(".")
    if not whole.isdigit() or (cents and not cents.isdigit()) or len(cents) > 2:
        raise ValueError(f"not a price: {text!r}")
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)
