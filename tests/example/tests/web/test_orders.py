import json

import pytest

from bookshop.models import Book, Order


@pytest.fixture
def buy(client, book):
    def buy(copies=1, email="reader@example.org"):
        return client.post(f"/{book.pk}/buy/", {"email": email, "copies": copies})

    return buy


def test_buying(buy, book):
    answer = buy(2)
    assert answer.status_code == 201
    assert answer.json()["total"] == 2 * book.price


def test_buying_more_than_there_are_leaves_no_order(buy):
    answer = buy(6)
    assert (answer.status_code, answer.json()) == (409, {"out_of_stock": "Die Maße der Dinge"})
    assert not Order.objects.exists()


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "ü@", "a b@example.org"])
def test_a_wrong_address_is_refused(buy, email):
    answer = buy(email=email)
    assert answer.status_code == 400
    assert set(json.loads(answer.content)) == {"email"}


def test_only_post_buys(client, book):
    assert client.get(f"/{book.pk}/buy/").status_code == 405


def test_paying(buy, client, book, mailoutbox):
    order = buy().json()["order"]
    assert client.post(f"/order/{order}/pay/").json() == {"paid": book.price}
    assert len(mailoutbox) == 1


def test_nobody_pays_twice(buy, client):
    order = buy().json()["order"]
    client.post(f"/order/{order}/pay/")
    assert client.post(f"/order/{order}/pay/").status_code == 404


@pytest.mark.parametrize("path", ["/new/"])
def test_strangers_add_no_books(client, db, path):
    assert client.get(path).url == "/login/?next=/new/"


class TestClerk:
    @pytest.fixture
    def clerk(self, client, django_user_model):
        client.force_login(django_user_model.objects.create_user("clerk"))
        return client

    def test_sees_the_form(self, clerk):
        assert b"isbn" in clerk.get("/new/").content

    def test_adds_a_book(self, clerk, book):
        data = {"title": "New", "author": book.author.pk, "isbn": "3-16-148410-X", "price": "5", "stock": 1}
        answer = clerk.post("/new/", data)
        assert answer.url == f"/{Book.objects.get(title='New').pk}/"

    def test_stays_on_the_form_with_mistakes(self, clerk):
        answer = clerk.post("/new/", {"price": "5"})
        assert answer.status_code == 200
        assert set(answer.context["form"].errors) == {"title", "author", "isbn", "stock"}
