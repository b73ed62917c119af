import pytest

pytestmark = pytest.mark.django_db


def test_an_empty_shop(client):
    assert "Nothing found." in client.get("/").content.decode()


def test_the_list(client, books):
    page = client.get("/").content.decode()
    assert "3 books" in page
    assert all(book.title.replace("&", "&amp;") in page for book in books)


@pytest.mark.parametrize(
    ("query", "count"),
    [("zen", 1), ("ADA", 2), ("maße", 1), ("ωMEGA", 1), ("&", 1), ("%", 0), ("b a", 0), ("[x]::y", 0)],
)
def test_search(client, books, query, count):
    assert len(client.get("/", {"q": query}).context["books"]) == count


def test_one_book(client, book):
    page = client.get(f"/{book.pk}/").content.decode()
    assert "13.38 €" in page
    assert "<form>" in page


def test_a_sold_out_book(client, book):
    book.stock = 0
    book.save()
    assert "Sold out" in client.get(f"/{book.pk}/").content.decode()


def test_no_such_book(client):
    assert client.get("/77/").status_code == 404


@pytest.mark.parametrize(("language", "text"), [("de", "2 Bücher"), ("en", "2 books"), ("fr", "2 books")])
def test_the_page_speaks(client, books, language, text):
    page = client.get("/", {"q": "ada"}, headers={"accept-language": language})
    assert text in page.content.decode()
