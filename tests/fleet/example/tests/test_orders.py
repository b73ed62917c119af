import pytest
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from shop.models import Category, Line, Order, Product
from shop.orders import OutOfStock, cancel_order, place_order


@pytest.mark.parametrize("quantity", range(1, 11))
def test_an_order_takes_from_the_stock(shelf, quantity):
    order = place_order("Ada", {"B3": quantity})
    assert order.total == 3 * quantity
    assert Product.objects.get(sku="B3").stock == 10 - quantity


@pytest.mark.parametrize("quantity", range(11, 21))
def test_what_is_not_there_is_not_sold(shelf, quantity):
    with pytest.raises(OutOfStock):
        place_order("Ada", {"B1": 1, "B3": quantity})
    assert not Order.objects.exists()
    assert set(Product.objects.values_list("stock", flat=True)) == {10}


@pytest.mark.parametrize("things", range(1, 9))
def test_a_basket_of_several_things(shelf, things):
    order = place_order("Ada", {f"B{number}": 2 for number in range(1, things + 1)})
    assert order.lines.count() == things
    cancel_order(order)
    assert not Line.objects.exists()
    assert set(Product.objects.values_list("stock", flat=True)) == {10}


@pytest.mark.parametrize("things", range(1, 9))
def test_an_order_takes_three_queries_for_each_thing(shelf, things, django_assert_num_queries):
    basket = {f"B{number}": 1 for number in range(1, things + 1)}
    # And the order itself, and a savepoint around all of it.
    with django_assert_num_queries(3 * things + 3):
        place_order("Ada", basket)


@pytest.mark.parametrize("sku", ["B1", "B5"])
def test_a_sku_is_there_once(shelf, sku):
    with pytest.raises(IntegrityError), transaction.atomic():
        Product.objects.create(sku=sku, name="again", price=1, category=Category.objects.first())
    assert Product.objects.count() == 8


@pytest.fixture
def committed(transactional_db):
    category = Category.objects.create(name="Books")
    return Product.objects.create(sku="B1", name="Book", price=5, stock=10, category=category)


@pytest.mark.parametrize("quantity", range(1, 11))
def test_an_order_is_told_after_its_commit(committed, quantity):
    order = place_order("Ada", {"B1": quantity})
    assert cache.get("last-order") == order.pk
    assert Order.objects.count() == 1


@pytest.mark.parametrize("quantity", [11, 12, 13])
def test_a_refused_order_is_not_told(committed, quantity):
    with pytest.raises(OutOfStock):
        place_order("Ada", {"B1": quantity})
    assert cache.get("last-order") is None
    assert not Order.objects.exists()


@pytest.mark.django_db(transaction=True, reset_sequences=True)
@pytest.mark.parametrize("orders", range(1, 11))
def test_orders_are_numbered_from_one(orders):
    assert [place_order("Ada", {}).pk for _ in range(orders)] == list(range(1, orders + 1))


def test_another_connection_sees_only_what_is_committed(committed):
    other = connection.copy()
    try:
        with transaction.atomic():
            Product.objects.update(stock=3)
            with other.cursor() as cursor:
                cursor.execute("select stock from shop_product")
                assert cursor.fetchall() == [(10,)]
        with other.cursor() as cursor:
            cursor.execute("select stock from shop_product")
            assert cursor.fetchall() == [(3,)]
    finally:
        other.close()
