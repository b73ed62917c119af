import shutil

import pytest
from shop import export
from shop.models import Product


@pytest.fixture(autouse=True)
def empty_folder():
    shutil.rmtree(export.folder(), ignore_errors=True)
    yield
    shutil.rmtree(export.folder(), ignore_errors=True)


@pytest.mark.parametrize("day", range(1, 21))
def test_a_day_is_one_file(shelf, day):
    file = export.write(f"2026-03-{day:02}")
    assert file.read_text().splitlines() == ["sku,price", *(f"B{i},{i}.00" for i in range(1, 9))]
    assert [entry.name for entry in sorted(export.folder().iterdir())] == ["newest", file.name]


@pytest.mark.parametrize("days", range(1, 11))
def test_the_newest_is_the_last_that_was_written(shelf, days):
    for day in range(1, days + 1):
        Product.objects.filter(sku="B1").update(price=day)
        export.write(f"2026-03-{day:02}")
    assert export.newest().name == f"prices-2026-03-{days:02}.csv"
    assert f"B1,{days}.00" in export.newest().read_text()


@pytest.mark.parametrize("keep", range(1, 11))
def test_old_files_go(db, keep):
    for day in range(1, 12):
        export.write(f"2026-03-{day:02}")
    export.prune(keep)
    assert len(list(export.folder().glob("prices-*.csv"))) == keep
