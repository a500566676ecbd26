"""Columns of tables and CSV files: light enough to be imported at the top of every command."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

FORMATS = ("table", "json", "ndjson", "csv", "name")
"""What `-o` takes: how :mod:`synadmin.tables` writes records."""
REPORT_FORMATS = ("table", "json", "ndjson", "csv", "markdown", "html", "prometheus")
"""What `audit -o` takes: how :mod:`synadmin.audit.report` writes a report."""


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))  # seconds
_LONGEST_AGO = 7 * 86400  # seconds


class Column(NamedTuple):
    """A column of a table or CSV file.

    Attributes:
        name: the field of the record, and what ``--columns`` calls it; dots go into nested objects.
        title: the heading in a table; the name with spaces where it is None.
        value: computes the cell from the record, where it is not simply the field.
        right: aligned on the right: for numbers.
        shown: is in the table without ``--columns``.
        whole: never shortened to fit the terminal: for ids, which people copy.
        breakable: a long word is put on several lines: for names and topics, which members choose.
        spare: left out where the table is wider than the terminal; the last spare column first.
        terminal: formats a value for a terminal; pipes and files get the value itself.
    """

    name: str
    title: str | None = None
    value: Callable[[Mapping[str, Any]], object] | None = None
    right: bool = False
    shown: bool = True
    whole: bool = False
    breakable: bool = False
    spare: bool = False
    terminal: Callable[[object], object] | None = None

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
    """Return a record's field, None where it is missing; dots lead into nested objects."""
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


def local_time(milliseconds: int) -> str:
    """Return a time for a sentence: local, to the minute, with its zone."""
    time = time_of(milliseconds)
    return (
        "an unknown time"
        if time is None
        else f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M %Z}"
    )


def relative_time(time: object, now: datetime | None = None) -> object:
    """Return a time for people: ``2 hours ago`` within a week, else the local date.

    Args:
        time: ISO 8601, with its zone; any other value is returned unchanged.
        now: the current time; None: that of the clock.
    """
    try:
        moment = datetime.fromisoformat(time).astimezone() if isinstance(time, str) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        return time
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if abs(seconds) >= _LONGEST_AGO:
        return f"{moment:%Y-%m-%d}"
    if 0 <= seconds < _UNITS[-1][0]:
        return "just now"
    if seconds < 0:
        seconds -= 60  # a time 7 days from now is "in 7 days" for its first minute, not "in 6 days"
    length, unit = next((pair for pair in _UNITS if abs(seconds) >= pair[0]), _UNITS[-1])
    count = max(int(abs(seconds) // length), 1)
    amount = f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def human_size(count: object) -> object:
    """Return a number of bytes for people, in units of 1000: ``1.2 MB``."""
    if not isinstance(count, int) or isinstance(count, bool):
        return count
    amount, units = float(count), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004
        amount /= 1000
        del units[0]
    digits = 1 if amount < 10 and units[0] != "B" else 0  # noqa: PLR2004
    return f"{amount:.{digits}f} {units[0]}"


def time_column(
    name: str,
    title: str | None = None,
    *,
    unit: int = 1,
    zero: bool = True,
    shown: bool = True,
    spare: bool = False,
    none: str = "-",
) -> Column:
    """Return a column that shows a time in milliseconds or seconds: on a terminal as ``2 hours ago``.

    Args:
        name: the field of the record.
        title: the heading.
        unit: milliseconds in one unit of the field: Synapse mixes seconds and milliseconds.
        zero: whether 0 is a time; else 0 means no time.
        shown: is in the table without ``--columns``.
        spare: left out of a table that does not fit the terminal with it.
        none: the text on a terminal where there is no time.
    """

    def value(record: Mapping[str, Any]) -> object:
        moment = field(record, name)
        if not isinstance(moment, int | float) or not (moment or zero):
            return None
        return time_of(moment if isinstance(moment, bool) else moment * unit)

    return Column(
        name, title, value, shown=shown, spare=spare, terminal=lambda time: relative_time(time) or none
    )
