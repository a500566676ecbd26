"""Columns of tables and CSV files: light enough to be imported at the top of every command."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

FORMATS = ("table", "json", "ndjson", "csv", "name")
"""What `-o` takes: how :mod:`synadmin.tables` writes records."""
REPORT_FORMATS = ("table", "json", "ndjson", "csv", "markdown", "html", "prometheus")
"""What `audit -o` takes: how :mod:`synadmin.audit.report` writes a report."""


class Column(NamedTuple):
    """A column of a table or CSV file.

    Attributes:
        name: the field of the record, and what ``--columns`` calls it; dots go into nested objects.
        title: the heading in a table; the name with spaces where it is None.
        value: computes the cell from the record, where it is not simply the field.
        right: numbers stand on the right.
        shown: without being asked for with ``--columns``.
        whole: never shortened to fit the terminal: ids, which people copy from it.
        breakable: a long word in it is put on several lines: names and topics, which members choose.
    """

    name: str
    title: str | None = None
    value: Callable[[Mapping[str, Any]], object] | None = None
    right: bool = False
    shown: bool = True
    whole: bool = False
    breakable: bool = False

    def of(self, record: Mapping[str, Any]) -> object:
        """Return the cell's value."""
        if self.value is not None:
            return self.value(record)
        return field(record, self.name)

    @property
    def heading(self) -> str:
        """Return the heading in a table."""
        return self.title if self.title is not None else self.name.replace("_", " ")


def field(record: Mapping[str, Any], path: str) -> object:
    """Return a record's field; dots go into nested objects, and what is not there is None."""
    if path in record:
        return record[path]
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def time_of(milliseconds: object) -> str | None:
    """Return a time in ISO 8601, UTC, from milliseconds since the epoch; None where there is none."""
    if not isinstance(milliseconds, int | float) or isinstance(milliseconds, bool):
        return None
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return None


def time_column(
    name: str,
    title: str | None = None,
    *,
    unit: int = 1,
    zero: bool = True,
    shown: bool = True,
) -> Column:
    """Return a column that shows a time.

    Args:
        name: the field of the record.
        title: the heading.
        unit: milliseconds in one unit of the field: Synapse mixes seconds and milliseconds.
        zero: whether 0 is a time; else it stands for none.
        shown: without being asked for.
    """

    def value(record: Mapping[str, Any]) -> object:
        moment = field(record, name)
        if not isinstance(moment, int | float) or not (moment or zero):
            return None
        return time_of(moment if isinstance(moment, bool) else moment * unit)

    return Column(name, title, value, shown=shown)
