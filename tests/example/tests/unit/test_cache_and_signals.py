import pytest
from django.core.cache import cache

from bookshop.models import Order
from bookshop.signals import order_paid


@pytest.fixture
def listed(client, books, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get("/")
    return books


def test_the_list_is_read_once(listed, client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/")


def test_saving_a_book_forgets_the_list(listed):
    assert cache.get("books")
    listed[0].save()
    assert cache.get("books") is None


def test_deleting_a_book_forgets_the_list(listed, client):
    listed[0].delete()
    assert "Maße" not in client.get("/").content.decode()


def test_whoever_pays_is_thanked(db, mailoutbox):
    order = Order.objects.create(email="reader@example.org")
    order_paid.send(Order, order=order)
    assert [(mail.subject, mail.to) for mail in mailoutbox] == [
        ("Thank you for your order", ["reader@example.org"])
    ]


def test_no_order_no_mail(mailoutbox):
    assert mailoutbox == []
