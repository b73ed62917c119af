from shop.prices import label


class TestLabel:
    def test_of_a_price(self):
        assert label(1.5) == "1.50 EUR"

    def test_of_nothing(self):
        assert label(0) == "free"
