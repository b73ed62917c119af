"""The nightly export: one folder, one file for each day, a pointer to the newest."""

import csv
from pathlib import Path

from django.conf import settings

from shop.models import Product


def folder():
    path = Path(settings.EXPORT_FOLDER)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(day):
    file = folder() / f"prices-{day}.csv"
    with open(file, "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["sku", "price"])
        rows.writerows(Product.objects.order_by("sku").values_list("sku", "price"))
    (folder() / "newest").write_text(file.name)
    return file


def newest():
    return folder() / (folder() / "newest").read_text()


def prune(keep):
    for file in sorted(folder().glob("prices-*.csv"))[:-keep]:
        file.unlink()
