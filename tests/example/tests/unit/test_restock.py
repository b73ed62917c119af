from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bookshop.models import Book


def restock(*arguments):
    out = StringIO()
    call_command("restock", *arguments, stdout=out)
    return out.getvalue().strip()


def test_every_shelf_is_filled(books):
    assert restock("8") == "3 restocked"
    assert set(Book.objects.values_list("stock", flat=True)) == {8}


def test_full_shelves_stay(books):
    assert restock("5") == "0 restocked"


def test_of_one_author(books):
    assert restock("8", "--author", "ada") == "2 restocked"


def test_a_dry_run_only_counts(books):
    assert restock("8", "--dry-run") == "3 restocked"
    assert not Book.objects.filter(stock=8).exists()


def test_fewer_than_nothing(db):
    with pytest.raises(CommandError, match="fewer than no copies"):
        restock("--", "-1")


def test_usage(capsys):
    with pytest.raises(CommandError, match="the following arguments are required: least"):
        restock()
