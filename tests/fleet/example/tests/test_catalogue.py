"""How many queries, and which keys in the cache."""

from decimal import Decimal

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.utils import translation
from shop import catalogue
from shop.models import Category, Product

pytestmark = pytest.mark.django_db


def keys():
    with redis.from_url(settings.CACHE_URL) as client:
        return sorted(key.decode() for key in client.keys("*"))


@pytest.mark.parametrize("categories", range(1, 31))
def test_all_categories_take_two_queries(categories, django_assert_num_queries):
    fill(categories)
    with django_assert_num_queries(2):
        assert len(catalogue.by_category()) == categories


@pytest.mark.parametrize("categories", range(1, 16))
def test_without_prefetching_it_is_one_query_for_each(categories, django_assert_num_queries):
    fill(categories)
    with django_assert_num_queries(categories + 1):
        catalogue.by_category_slowly()


def fill(categories):
    for number in range(categories):
        category = Category.objects.create(name=f"Category {number:02}")
        Product.objects.bulk_create(
            Product(sku=f"{number}-{i}", name="Thing", price=i, category=category) for i in range(3)
        )


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_a_price_list_is_asked_for_once(shelf, language, django_assert_num_queries):
    with translation.override(language):
        with django_assert_num_queries(1):
            first = catalogue.price_list()
        with django_assert_num_queries(0):
            assert catalogue.price_list() == first
    assert keys() == [f"shop:1:prices:{language}"]


@pytest.mark.parametrize("number", range(1, 9))
def test_a_new_price_empties_the_lists_of_all_languages(shelf, number, django_assert_num_queries):
    for language in ("en", "de", "fr"):
        with translation.override(language):
            catalogue.price_list()
    assert keys() == ["shop:1:prices:de", "shop:1:prices:en", "shop:1:prices:fr"]
    with django_assert_num_queries(1):
        catalogue.change_price(f"B{number}", Decimal("99.50"))
    assert keys() == []
    assert catalogue.price_list()[f"B{number}"] == Decimal("99.50")


@pytest.mark.parametrize("visits", range(1, 21))
def test_visits_are_counted_from_one(visits):
    for expected in range(1, visits + 1):
        assert catalogue.count_visit("B1") == expected
    assert keys() == ["shop:1:visits:B1"]


@pytest.mark.parametrize("seconds", [None, 60, 3600])
def test_a_key_lives_as_long_as_it_was_told(seconds):
    cache.set("lives", "on", seconds)
    with redis.from_url(settings.CACHE_URL) as client:
        left = client.ttl("shop:1:lives")
    assert left == -1 if seconds is None else seconds - 5 <= left <= seconds
