from django.core.cache import cache
from django.db import transaction

from shop.models import Line, Order, Product


class OutOfStock(Exception):
    pass


def place_order(customer, basket):
    """All of the basket, or nothing. `basket` maps a sku to a quantity."""
    with transaction.atomic():
        order = Order.objects.create(customer=customer)
        for sku, quantity in sorted(basket.items()):
            product = Product.objects.select_for_update().get(sku=sku)
            if product.stock < quantity:
                raise OutOfStock(sku)
            product.stock -= quantity
            product.save(update_fields=["stock"])
            Line.objects.create(order=order, product=product, quantity=quantity, price=product.price)
        transaction.on_commit(lambda: cache.set("last-order", order.pk, None))
    return order


def cancel_order(order):
    with transaction.atomic():
        for line in order.lines.select_related("product"):
            line.product.stock += line.quantity
            line.product.save(update_fields=["stock"])
        order.delete()
