"""A customer's way through the shop; each step waits for what a browser would wait for."""

import time

import pytest
from django.test import TransactionTestCase

from bookshop.models import Author, Book

pytestmark = pytest.mark.slow


class Checkout(TransactionTestCase):
    def setUp(self):
        author = Author.objects.create(name="Ada Byte")
        self.book = Book.objects.create(title="Zen", author=author, isbn="3-16-148410-X", cents=1000, stock=2)

    def buy(self, seconds):
        time.sleep(seconds)
        return self.client.post(f"/{self.book.pk}/buy/", {"email": "a@example.org", "copies": 1})

    def test_one_customer(self):
        self.assertEqual(self.buy(0.5).status_code, 201)

    def test_the_last_copy_is_sold_once(self):
        self.assertEqual([self.buy(0.25).status_code for _ in range(3)], [201, 201, 409])

    def test_paying_by_card(self):
        order = self.buy(0.4).json()["order"]
        time.sleep(0.4)
        self.assertEqual(self.client.post(f"/order/{order}/pay/").status_code, 200)


@pytest.mark.parametrize("browser", ["Firefox 128 (ESR)", "Chrome [headless]", "Safari – macOS"])
def test_the_page_opens_in(client, books, browser):
    time.sleep(0.7)
    assert client.get("/", headers={"user-agent": browser}).status_code == 200
