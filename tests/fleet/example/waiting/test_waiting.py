"""A suite that mostly waits, as those do that drive a browser, a queue or somebody else's service."""

import os
import time

import pytest
import redis
from django.conf import settings
from django.db import connection

SECONDS = float(os.environ.get("WAIT_SECONDS") or 0.05)


@pytest.mark.parametrize("number", range(200))
def test_a_page_that_takes_its_time(number):
    time.sleep(SECONDS)


@pytest.mark.django_db
@pytest.mark.parametrize("number", range(50))
def test_a_query_that_takes_its_time(number):
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(%s)", [SECONDS])


@pytest.mark.parametrize("number", range(50))
def test_a_queue_that_stays_empty(number):
    with redis.from_url(settings.CACHE_URL) as client:
        assert client.blpop("empty", timeout=SECONDS) is None
