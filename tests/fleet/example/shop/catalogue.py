"""Price lists, kept in the cache until a price changes."""

from django.core.cache import cache
from django.utils import translation

from shop.models import Category, Product


def price_list():
    return cache.get_or_set(key(), lambda: dict(Product.objects.order_by("sku").values_list("sku", "price")), 300)


def key():
    return f"prices:{translation.get_language()}"


def change_price(sku, price):
    Product.objects.filter(sku=sku).update(price=price)
    cache.delete_many([f"prices:{language}" for language in ("en", "de", "fr")])


def by_category():
    """All categories with their products, in two queries however many there are."""
    found = Category.objects.prefetch_related("product_set").order_by("name")
    return {category.name: sorted(product.sku for product in category.product_set.all()) for category in found}


def by_category_slowly():
    """What a template does when nobody looks: one query more for each category."""
    return {category.name: sorted(product.sku for product in category.product_set.all()) for category in Category.objects.order_by("name")}


def count_visit(sku):
    cache.add(f"visits:{sku}", 0, None)
    return cache.incr(f"visits:{sku}")
