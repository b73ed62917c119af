import os

import pytest
import redis
from django.conf import settings
from django.db import connection

SECONDS = float(os.environ.get("WAIT_SECONDS") or 0.05)
numbered = pytest.mark.parametrize("number", range(20))


def slow_query():
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(%s)", [SECONDS])


@numbered
@pytest.mark.django_db
def test_a_report_of_orders(number):
    slow_query()


@numbered
@pytest.mark.django_db
def test_a_report_of_customers(number):
    slow_query()


@numbered
@pytest.mark.django_db
def test_a_report_of_stock(number):
    slow_query()


def empty_queue(name):
    with redis.from_url(settings.CACHE_URL) as client:
        return client.blpop(name, timeout=SECONDS) is None


@numbered
def test_nobody_asks_for_a_receipt(number):
    assert empty_queue("receipts")


@numbered
def test_nobody_asks_for_a_refund(number):
    assert empty_queue("refunds")


@numbered
def test_nobody_asks_for_a_newsletter(number):
    assert empty_queue("newsletter")


@numbered
def test_nobody_asks_for_an_export(number):
    assert empty_queue("exports")
