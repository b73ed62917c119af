"""One database, one cache: what a project has before anyone thinks of running its tests side by side."""

import pytest
from django.core.cache import cache
from django.core.management import call_command
from shop import texts


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker):
    """The tests use the one database that is there, with its fixed name, and bring it to the newest migration."""
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def catalogues():
    """The translations, compiled as a deployment would."""
    texts.compile_all()


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def shelf(db):
    from shop.models import Category, Product

    books, maps = (Category.objects.create(name=name) for name in ("Books", "Maps"))
    return [
        Product.objects.create(
            sku=f"B{number}", name=f"Book {number}", price=number, stock=10, category=books if number % 2 else maps
        )
        for number in range(1, 9)
    ]
