import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def migrate():
    def to(name):
        executor = MigrationExecutor(connection)
        executor.migrate([("shop", name)])
        return executor.loader.project_state([("shop", name)]).apps.get_model("shop", "Category")

    yield to
    to("0002_slug")


@pytest.mark.parametrize("name, slug", [("Books", "books"), ("Old Maps", "old-maps"), ("A B C", "a-b-c")])
def test_the_slugs_of_old_categories_are_filled(migrate, name, slug):
    migrate("0001_initial").objects.create(name=name)
    assert list(migrate("0002_slug").objects.values_list("name", "slug")) == [(name, slug)]


@pytest.mark.parametrize("categories", [0, 1, 20])
def test_going_back_keeps_the_categories(migrate, categories):
    new = migrate("0002_slug")
    for number in range(categories):
        new.objects.create(name=f"Category {number}", slug="kept")
    assert migrate("0001_initial").objects.count() == categories
