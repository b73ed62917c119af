import json

import pytest

from bookshop.export import export
from bookshop.models import Book


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_every_book_is_in_it(books, kind):
    text = export(books, kind)
    assert all(book.isbn in text for book in books)


def test_json_can_be_read_again(books):
    assert [row["cents"] for row in json.loads(export(books, "json"))] == [1250, 3900, 2400]


def test_another_kind_is_refused(db):
    with pytest.raises(ValueError, match="cannot write yaml"):
        export(Book.objects.all(), "yaml")
