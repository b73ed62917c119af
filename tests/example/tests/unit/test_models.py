import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError

from bookshop.models import Author, Book, Order, OutOfStock

pytestmark = pytest.mark.django_db


def test_a_book_says_what_it_is(book):
    assert str(book) == "Die Maße der Dinge (Jörg Ωmega)"


def test_the_price_has_tax(book):
    assert book.price == 1338


def test_books_are_sorted_by_title(books):
    assert [book.title for book in Book.objects.all()] == sorted(book.title for book in books)


@pytest.mark.parametrize(("name", "count"), [("ada", 2), ("Ω", 1), ("nobody", 0), ("", 3)])
def test_books_are_found_by_author(books, name, count):
    assert Book.objects.by(name).count() == count


def test_only_what_is_on_the_shelf_is_in_stock(books):
    Book.objects.filter(pk=books[0].pk).update(stock=0)
    assert set(Book.objects.in_stock()) == set(books[1:])


def test_two_books_cannot_share_an_isbn(book):
    with pytest.raises(IntegrityError):
        Book.objects.create(title="Copy", author=book.author, isbn=book.isbn, cents=1)


def test_an_author_with_books_stays(book):
    with pytest.raises(ProtectedError):
        book.author.delete()


def test_a_wrong_isbn_is_refused(book):
    book.isbn = "978-3-16-148410-1"
    with pytest.raises(ValidationError, match="This is not an ISBN"):
        book.full_clean()


def test_a_right_isbn_is_accepted(book):
    book.full_clean()


class TestOrder:
    @pytest.fixture
    def order(self, db):
        return Order.objects.create(email="reader@example.org")

    def test_is_empty_at_first(self, order):
        assert (order.copies, order.total) == (0, 0)

    def test_takes_copies_from_the_shelf(self, order, book):
        order.add(book, 2)
        book.refresh_from_db()
        assert (order.copies, book.stock) == (2, 3)

    def test_same_book_twice_is_one_line(self, order, book):
        order.add(book)
        order.add(book, 2)
        assert [line.copies for line in order.lines.all()] == [3]

    def test_total_has_the_discount(self, order, book):
        order.add(book, 3)
        assert order.total == round(1338 * 3 * 0.95)

    def test_several_books(self, order, books):
        for book in books:
            order.add(book)
        assert order.total == sum(book.price for book in books)

    @pytest.mark.parametrize("copies", [6, 100], ids=["one too many", "far too many (✗)"])
    def test_more_than_there_are(self, order, book, copies):
        with pytest.raises(OutOfStock, match="Maße"):
            order.add(book, copies)
        assert order.copies == 0

    def test_goes_with_its_lines(self, order, book):
        line = order.add(book)
        order.delete()
        assert not type(line).objects.exists()


def test_authors_are_sorted():
    for name in ("Zoe", "Ada", "Émile"):
        Author.objects.create(name=name)
    assert str(Author.objects.first()) == "Ada"
