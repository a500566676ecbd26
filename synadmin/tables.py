"""Write records as a table, JSON, NDJSON or CSV, safe for terminals and spreadsheets."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import msgspec

from synadmin.columns import Column
from synadmin.errors import ReplyError
from synadmin.text import UNSAFE, safe_text, wrap
from synadmin.text import width as text_width

__all__ = ["as_json", "as_text", "cell", "record_as_text", "safe_json", "write"]

Style = Callable[[Column | None, str], str]
"""Adds colours to a cell of a table, or to a heading where the column is None; the width stays."""

# JSON has line breaks and tabs only between values, where they are harmless.
_UNSAFE_IN_JSON = re.compile(UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b\x0c\x0e-\x1f"))
_HARMLESS = bytes(range(0x20, 0x7F)) + b"\t\n\r"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The characters that begin a formula in a spreadsheet, fullwidth forms included."""
_USER_ID = re.compile(r"@[a-z0-9._/-]+:[A-Za-z0-9.-]+(:[0-9]+)?")
"""A user id that no spreadsheet takes as a formula: it has no bracket, no comma and no operator."""
_GAP = 2
_NOTHING = "-"
_WIDEST = 100  # columns of a cell where the output is not a terminal
_NARROWEST = 20  # columns of a value below its heading
_LONGEST_TEXT = 1000  # characters of a cell on a terminal; names and messages are shorter
_LONGEST_WORD = 60  # columns; a longer word is broken into several lines; ids are shorter
_LONGEST_WORD_OF_NAME = 16  # ... and in a breakable column, where the terminal is wide enough
_NARROWEST_NAME = 8  # columns of a breakable column: long words in it do not change the layout


def safe_json(text: str) -> str:
    """Return the same JSON text with control characters of a terminal escaped."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _HARMLESS)
    if rest.decode("utf-8", "surrogatepass").isprintable():  # nearly always; unsafe characters never are
        return text
    return _UNSAFE_IN_JSON.sub(lambda match: json.dumps(match.group())[1:-1], text)


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON that is safe on a terminal.

    Raises:
        ReplyError: it is nested so deep that Python does not write it.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if indent is not None:
            text = _indented(text, indent)
    except RecursionError:
        raise ReplyError("the answer cannot be shown: it is nested too deep") from None
    return safe_json(text)


def _indented(text: str, indent: int) -> str:
    try:
        return msgspec.json.format(text, indent=indent)
    except (msgspec.DecodeError, UnicodeEncodeError):  # Infinity, lone surrogates: only json accepts them
        return json.dumps(json.loads(text), ensure_ascii=False, indent=indent)


def cell(value: object) -> str:
    """Return the text of a value in a table."""
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return safe_text(", ".join(value)) or _NOTHING
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
    style: Style | None = None,
) -> None:
    """Write records in one of :data:`synadmin.columns.FORMATS`.

    JSON, NDJSON and CSV are written while the records arrive. A table needs all records first.

    Args:
        records: JSON objects.
        columns: the columns of a table and a CSV file.
        form: one of :data:`synadmin.columns.FORMATS`.
        out: where to.
        width: the columns of the terminal; None: nothing is shortened.
        all_fields: ``--columns`` was not given: JSON and NDJSON have all fields. A table on a terminal has no
            empty column, and no spare column that does not fit.
        empty: the text in place of an empty table.
        style: adds colours to a table; None adds none.
    """
    if form == "ndjson":
        for record in records:
            out.write(as_json(record if all_fields else _picked(record, columns)) + "\n")
            out.flush()
    elif form == "json":
        _write_json((record if all_fields else _picked(record, columns) for record in records), out)
    elif form == "csv":
        _write_csv(records, columns, out)
    elif form == "name":
        _write_names(records, columns, out)
    else:
        _write_table(records, columns, out, width=width, empty=empty, style=style, fixed=not all_fields)


def _picked(record: Mapping[str, Any], columns: Sequence[Column]) -> Mapping[str, Any]:
    return {column.name: column.of(record) for column in columns}


def _write_names(records: Iterable[Mapping[str, Any]], columns: Sequence[Column], out: TextIO) -> None:
    """Write only the ids: the first column that is never shortened, else the first column."""
    column = next((column for column in columns if column.whole), columns[0])
    for record in records:
        out.write(f"{safe_text(str(column.of(record)))}\n")
        out.flush()


def _write_json(records: Iterator[Mapping[str, Any]], out: TextIO) -> None:
    out.write("[")
    separator = "\n"
    try:
        for record in records:
            indented = as_json(record, indent=2).replace("\n", "\n  ")
            out.write(f"{separator}  {indented}")
            separator = ",\n"
    finally:
        # Also after an interruption: the finished records are valid JSON then.
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
    dangerous = text.startswith(_FORMULA) and not _USER_ID.fullmatch(text)
    # For spreadsheets a leading apostrophe means that the cell is text.
    return f"'{safe_text(text)}" if dangerous else safe_text(text)


def _write_table(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    out: TextIO,
    *,
    width: int | None,
    empty: str,
    style: Style | None,
    fixed: bool,
) -> None:
    on_terminal = width is not None
    rows: Sequence[Sequence[str]] = [
        cell_texts(record, columns, on_terminal=on_terminal) for record in records
    ]
    if on_terminal:
        rows = [[_shortened(text) for text in row] for row in rows]
    if not rows:
        out.write(f"{empty}\n" if empty else "")
        return
    if width is not None and not fixed:
        columns, rows = _shown(columns, rows, width)
    headings = [column.heading for column in columns]
    limits = _fitting([*zip(columns, zip(headings, *rows, strict=True), strict=True)], width)
    if limits is None:
        out.write("\n".join(_block(columns, row, width, style) for row in rows))
        return
    headings, *rows = [
        [_wrapped(column, text, limit) for column, text, limit in zip(columns, row, limits, strict=True)]
        for row in [headings, *rows]
    ]
    if style is not None:
        headings = [style(None, heading) for heading in headings]
        rows = [[style(column, text) for column, text in zip(columns, row, strict=True)] for row in rows]
    import tabulate

    # Otherwise tabulate adds two columns to a heading that is wider than its cells.
    tabulate.MIN_PADDING = 0
    # Spaces at the start of a line are part of the text.
    tabulate.PRESERVE_WHITESPACE = True
    table = tabulate.tabulate(
        rows,
        headers=headings,
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in columns],
    )
    out.write("".join(f"{line.rstrip()}\n" for line in table.splitlines()))


def cell_texts(record: Mapping[str, Any], columns: Sequence[Column], *, on_terminal: bool) -> list[str]:
    """Return the text of each column; on a terminal a dash stands for an empty one."""
    values = ((column.terminal, column.of(record)) for column in columns)
    if not on_terminal:
        return [cell(value) for _, value in values]
    texts = (cell(shown(value) if shown else value) for shown, value in values)
    return [_NOTHING if text in {"", "{}"} else text for text in texts]


def _shown(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[Sequence[Column], Sequence[Sequence[str]]]:
    """Return the columns that are not empty, and their rows; without spare columns if the table fits then."""
    filled = [pair for pair in zip(columns, zip(*rows, strict=True), strict=True) if {*pair[1]} != {_NOTHING}]
    filled = filled or [(columns[0], tuple(row[0] for row in rows))]

    def fits(pairs: Sequence[tuple[Column, Sequence[str]]], narrowest_name: int = _NARROWEST_NAME) -> bool:
        table = [(column, (column.heading, *cells)) for column, cells in pairs]
        return _fitting(table, width, narrowest_name=narrowest_name) is not None

    spare = [pair for pair in filled if pair[0].spare]
    fitting = list(filled)
    while spare and not fits(fitting, _LONGEST_WORD_OF_NAME):
        fitting.remove(spare.pop())
    if len(fitting) < len(filled) and fits(fitting):
        filled = fitting
    return [column for column, _ in filled], [*zip(*(cells for _, cells in filled), strict=True)]


def _block(
    columns: Sequence[Column], cells: Sequence[str], width: int | None, style: Style | None = None
) -> str:
    """Return a record with a line for each field; the values are aligned and wrapped at words."""
    start = max(text_width(column.heading) for column in columns) + _GAP
    limit = _WIDEST if width is None else max(width - start, _NARROWEST)
    lines = []
    for column, content in zip(columns, cells, strict=True):
        text = _wrapped(column, content, limit)
        first, *others = (text if style is None else style(column, text)).split("\n")
        lines.append(column.heading + " " * (start - text_width(column.heading)) + first)
        lines += [" " * start + line for line in others]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _wrapped(column: Column, text: str, limit: int) -> str:
    longest = min(limit, _LONGEST_WORD_OF_NAME) if column.breakable else _LONGEST_WORD
    return text if column.whole else wrap(text, limit, longest_word=longest)


def record_as_text(
    record: Mapping[str, Any],
    columns: Sequence[Column],
    *,
    width: int | None = None,
    style: Style | None = None,
) -> str:
    """Return one record as text, a line for each field."""
    return _block(columns, cell_texts(record, columns, on_terminal=width is not None), width, style)


def _fitting(
    columns: Iterable[tuple[Column, Sequence[str]]],
    width: int | None,
    *,
    narrowest_name: int = _NARROWEST_NAME,
) -> list[int] | None:
    """Return column widths that fit the terminal; the widest columns are shortened first. None: none fit.

    Whole columns keep their width. Only words in breakable columns are broken.
    """
    widths, least = [], []
    for column, cells in columns:
        widths.append(max(map(text_width, cells)))
        longest = narrowest_name if column.breakable else _LONGEST_WORD
        words = (min(text_width(word), longest) for text in cells for word in text.split())
        least.append(widths[-1] if column.whole else max(words, default=0))
    if width is None:
        return [max(low, min(wide, _WIDEST)) for low, wide in zip(least, widths, strict=True)]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    while excess > 0:
        spare = [index for index in range(len(widths)) if widths[index] > least[index]]
        if not spare:
            return None
        widths[max(spare, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths


def as_text(
    records: Iterable[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    width: int | None = None,
    style: Style | None = None,
) -> str:
    """Return the table as text."""
    out = io.StringIO()
    write(records, columns, "table", out, width=width, style=style)
    return out.getvalue()
