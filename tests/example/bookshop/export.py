"""The books as text, for other shops."""

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bookshop.models import Book


def export(books: "Iterable[Book]", kind: str) -> str:
    rows = [{"title": b.title, "author": str(b.author), "isbn": b.isbn, "cents": b.cents} for b in books]
    if kind == "json":
        return json.dumps(rows)
    if kind == "csv":
        out = io.StringIO()
        if rows:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return out.getvalue()
    if kind == "onix":
        return onix(rows)
    raise ValueError(f"cannot write {kind}")


def onix(rows: list) -> str:
    products = "".join(f"<Product><ISBN>{row['isbn']}</ISBN></Product>" for row in rows)
    return f"<ONIXMessage>{products}</ONIXMessage>"
