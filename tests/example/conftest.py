import time

import pytest

from bookshop.models import Author, Book


@pytest.fixture(scope="session")
def catalogue():
    """Read once by everyone who needs it, as a large data file would be."""
    time.sleep(0.3)
    return {
        "978-3-16-148410-0": ("Die Maße der Dinge", "Jörg Ωmega", 1250),
        "0-306-40615-2": ("Signals & Slots", "Ada Byte", 3900),
        "978-0-306-40615-7": ("Zen of Sharding", "Ada Byte", 2400),
    }


@pytest.fixture
def books(db, catalogue):
    made = []
    for isbn, (title, name, cents) in catalogue.items():
        author, _ = Author.objects.get_or_create(name=name)
        made.append(Book.objects.create(title=title, author=author, isbn=isbn, cents=cents, stock=5))
    return made


@pytest.fixture
def book(books):
    return books[0]


@pytest.fixture(autouse=True)
def _empty_cache():
    from django.core.cache import cache

    cache.clear()
    yield
    cache.clear()
