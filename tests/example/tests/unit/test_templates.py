import pytest
from django.template import Context, Template

from bookshop.templatetags import money


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00 €"), (5, "0.05 €"), (100000, "1,000.00 €")])
def test_euro(cents, text):
    assert money.euro(cents) == text


@pytest.mark.parametrize(("stock", "colour"), [(0, "red"), (1, "yellow"), (3, "yellow"), (4, "green")])
def test_stock_light(stock, colour):
    assert money.stock_light(stock) == colour


def test_the_library_loads():
    template = Template("{% load money %}{{ cents|euro }} {% stock_light 2 few=1 %}")
    assert template.render(Context({"cents": 150})) == "1.50 € green"


def test_titles_are_escaped():
    assert Template("{{ title }}").render(Context({"title": "<b> & c"})) == "&lt;b&gt; &amp; c"
