import pytest

from bookshop.forms import BookForm, OrderForm


@pytest.fixture
def data(book):
    return {"title": "New", "author": book.author.pk, "isbn": "3-16-148410-X", "price": "9,99", "stock": 1}


def test_a_book_is_saved_in_cents(data):
    form = BookForm(data)
    assert form.is_valid(), form.errors
    assert form.save().cents == 999


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("price", "free", "This is not a price."),
        ("isbn", "123", "This is not an ISBN."),
        ("title", "", "This field is required."),
        ("stock", "-1", "Ensure this value is greater than or equal to 0."),
        ("author", "0", "Select a valid choice. That choice is not one of the available choices."),
    ],
    ids=["price", "isbn", "no title", "stock < 0", "author?"],
)
def test_a_wrong_field_is_named(data, field, value, message):
    form = BookForm(data | {field: value})
    assert not form.is_valid()
    assert form.errors == {field: [message]}


@pytest.mark.parametrize("copies", ["1", "99"])
def test_copies_in_range(copies):
    assert OrderForm({"email": "a@example.org", "copies": copies}).is_valid()


@pytest.mark.parametrize("copies", ["0", "100", "", "one"])
def test_copies_out_of_range(copies):
    assert set(OrderForm({"email": "a@example.org", "copies": copies}).errors) == {"copies"}
