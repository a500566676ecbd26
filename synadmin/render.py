"""Records as a table, JSON, NDJSON or CSV, with nothing in them that a terminal or spreadsheet would obey."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from synadmin.columns import Column, field, time_of

__all__ = [
    "FORMATS",
    "Column",
    "as_json",
    "as_text",
    "cell",
    "field",
    "plain",
    "safe_json",
    "time_of",
    "write",
]

FORMATS = ("table", "json", "ndjson", "csv")

# C0 and C1 controls, and what reorders or hides text: bidirectional overrides, line separators, zero
# width characters and invisible tags that make two names look like one.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]",
)
# In JSON, line breaks and tabs stand between the values only, and there they are harmless.
_UNSAFE_IN_JSON = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b\x0c\x0e-\x1f"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NARROWEST = 8
_GAP = 2


def plain(text: str) -> str:
    """Return text as it may be shown: whatever a terminal would obey is spelled out instead."""
    return _UNSAFE.sub(_spelled_out, text)


def _spelled_out(match: re.Match[str]) -> str:
    return ascii(match.group())[1:-1]


def safe_json(text: str) -> str:
    """Return JSON text in which what a terminal would obey is escaped; it means the same."""
    if text.isprintable():  # as nearly all is; what is unsafe is never printable
        return text
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], text)


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON that is safe on a terminal."""
    separators = (",", ":") if indent is None else None
    return safe_json(json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


def cell(value: object) -> str:
    """Return a value as a person reads it in a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return plain(", ".join(value)) or "-"
    return as_json(value)


def write(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    form: str,
    out: TextIO,
    *,
    width: int | None = None,
    all_fields: bool = True,
    empty: str = "",
) -> None:
    """Write records in one of :data:`FORMATS`.

    NDJSON and CSV, and JSON too, are written while the records come in; a table has to see them all.

    Args:
        records: JSON objects.
        columns: what a table and a CSV file show.
        form: one of :data:`FORMATS`.
        out: where to.
        width: the columns of the terminal, None where nothing is to be shortened.
        all_fields: JSON and NDJSON show the records as they are, not the columns alone.
        empty: what a table says when there is nothing.
    """
    if form == "ndjson":
        for record in records:
            out.write(as_json(record if all_fields else _picked(record, columns)) + "\n")
            out.flush()
    elif form == "json":
        _write_json((record if all_fields else _picked(record, columns) for record in records), out)
    elif form == "csv":
        _write_csv(records, columns, out)
    else:
        _write_table(records, columns, out, width=width, empty=empty)


def _picked(record: Mapping[str, Any], columns: Sequence[Column]) -> Mapping[str, Any]:
    return {column.name: column.of(record) for column in columns}


def _write_json(records: Iterator[Mapping[str, Any]], out: TextIO) -> None:
    out.write("[")
    separator = "\n"
    try:
        for record in records:
            indented = as_json(record, indent=2).replace("\n", "\n  ")
            out.write(f"{separator}  {indented}")
            separator = ",\n"
    finally:
        # Also where the work is interrupted: what was finished is worth reading.
        out.write("]\n" if separator == "\n" else "\n]\n")


def _write_csv(records: Iterable[Mapping[str, Any]], columns: Sequence[Column], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for record in records:
        writer.writerow(_csv_cell(column.of(record)) for column in columns)


def _csv_cell(value: object) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, Sequence) and not value:
        return ""
    text = value if isinstance(value, str) else cell(value)
    dangerous = text.startswith(_FORMULA)
    # Spreadsheets take a leading apostrophe as "this is text".
    return f"'{plain(text)}" if dangerous else plain(text)


def _write_table(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    out: TextIO,
    *,
    width: int | None,
    empty: str,
) -> None:
    rows = [[cell(column.of(record)) for column in columns] for record in records]
    if not rows:
        out.write(f"{empty}\n" if empty else "")
        return
    headings = [column.heading for column in columns]
    if width is not None:
        limits = _fitting(columns, rows, width)
        headings, *rows = [
            [_shortened(text, limit) for text, limit in zip(row, limits, strict=True)]
            for row in [headings, *rows]
        ]
    import tabulate

    # Without this a heading that is wider than its cells takes two columns more than it has.
    tabulate.MIN_PADDING = 0
    table = tabulate.tabulate(
        rows,
        headers=headings,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in columns],
    )
    out.write("".join(f"{line.rstrip()}\n" for line in table.splitlines()))


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the widths that make the table fit, taken from the widest columns first.

    Headings are shortened where that does not do; columns that are to stay whole never are.
    """
    headings = [column.heading for column in columns]
    widths = [max(len(text) for text in column) for column in zip(headings, *rows, strict=True)]
    whole_headings = [max(_NARROWEST, len(heading)) for heading in headings]
    for least in (whole_headings, [_NARROWEST] * len(headings)):
        while sum(widths) + _GAP * (len(widths) - 1) > width:
            spare = [
                index
                for index, column in enumerate(columns)
                if widths[index] > least[index] and not column.whole
            ]
            if not spare:
                break
            widths[max(spare, key=widths.__getitem__)] -= 1
    return widths


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_text(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    width: int | None = None,
) -> str:
    """Return the table as text."""
    out = io.StringIO()
    write(records, columns, "table", out, width=width)
    return out.getvalue()
