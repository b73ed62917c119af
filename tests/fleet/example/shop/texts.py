"""What the shop says, in the language that is switched on."""

import ast
import struct
from pathlib import Path

from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format, number_format

SOURCES = Path(__file__).parent / "locale"


def greeting(name):
    return translation.gettext("Hello, %(name)s!") % {"name": name}


def basket_of(count):
    return translation.ngettext("%(count)d thing", "%(count)d things", count) % {"count": count}


def amount(value):
    return number_format(value, decimal_pos=2, use_l10n=True, force_grouping=True)


def delivery(day):
    return translation.gettext("Delivery on %(day)s") % {"day": date_format(day, "l, j. F")}


def compile_all():
    for source in SOURCES.glob("*/LC_MESSAGES/django.po"):
        target = Path(settings.LOCALE_PATHS[0]) / source.relative_to(SOURCES).with_suffix(".mo")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(compiled(source.read_text(encoding="utf-8")))


def compiled(text):
    """A catalogue in the format that gettext reads: two tables of lengths and offsets, then the strings."""
    entries = sorted(messages(text).items())
    start = 28 + 16 * len(entries)
    tables, strings = [b"", b""], b""
    for column in (0, 1):
        for entry in entries:
            value = entry[column].encode()
            tables[column] += struct.pack("<2I", len(value), start + len(strings))
            strings += value + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(entries), 28, 28 + 8 * len(entries), 0, 0)
    return head + tables[0] + tables[1] + strings


def messages(text):
    """`msgid` → `msgstr`; plural forms are joined by NUL, as in the compiled catalogue."""
    found, key, value = {}, [], []
    for line in [*text.splitlines(), 'msgid ""']:
        word, _, rest = line.partition(" ")
        if word == "msgid" and value:
            found["\0".join(key)] = "\0".join(value)
            key, value = [], []
        if word.startswith("msgid"):
            key.append(ast.literal_eval(rest))
        elif word.startswith("msgstr"):
            value.append(ast.literal_eval(rest))
        elif line.startswith('"'):
            (value or key)[-1] += ast.literal_eval(line)
    return found
