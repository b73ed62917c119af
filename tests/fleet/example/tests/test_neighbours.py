"""The database and the cache are this container's alone."""

import socket

import pytest
import redis
from django.conf import settings
from django.db import connection


def addresses_of(host):
    return {address[4][0] for address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}


@pytest.mark.parametrize("host", ["db", "redis"])
def test_a_name_is_one_machine(host):
    assert len(addresses_of(host)) == 1


@pytest.mark.django_db
def test_nobody_else_talks_to_the_database():
    with connection.cursor() as cursor:
        cursor.execute("select client_addr = inet_client_addr() from pg_stat_activity where datname = 'shop' and client_addr is not null")
        assert set(cursor.fetchall()) == {(True,)}


def test_nobody_else_talks_to_the_cache():
    with redis.from_url(settings.CACHE_URL) as client:
        seen = {entry["addr"].rpartition(":")[0] for entry in client.client_list()}
    assert len(seen) == 1 and seen <= addresses_of(socket.gethostname())
