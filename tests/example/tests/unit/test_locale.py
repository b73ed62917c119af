import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext


@pytest.fixture(scope="class")
def german():
    with translation.override("de"):
        yield


@pytest.mark.usefixtures("german")
class TestGerman:
    @pytest.mark.parametrize(
        ("english", "translated"),
        [
            ("Bookshop", "Buchladen"),
            ("Sold out", "Ausverkauft"),
            ("Thank you for your order", "Danke für Ihre Bestellung"),
        ],
    )
    def test_messages(self, english, translated):
        assert gettext(english) == translated

    @pytest.mark.parametrize(("n", "text"), [(0, "0 Bücher"), (1, "1 Buch"), (2, "2 Bücher")])
    def test_plurals(self, n, text):
        assert ngettext("%(n)s book", "%(n)s books", n) % {"n": n} == text

    def test_unknown_messages_stay(self):
        assert gettext("no such message") == "no such message"


def test_english_is_the_default():
    assert gettext("Sold out") == "Sold out"
