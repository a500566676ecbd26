"""Option values with units: sizes, durations, times."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from synadmin.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_SIZE_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _SIZE_UNITS |= {_letter: 1000**_power, f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}
_AGE_UNITS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_557_600_000,
}
_NUMBER_AND_UNIT = r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)"
_LARGEST = 2**53 - 1  # the largest integer of canonical JSON
_MOST_DIGITS = 100  # more digits than any time or size has
_CLOCKS_DIFFER = 86_400_000  # a day: clocks and time zones differ
_FIRST_SENSIBLE_TIME = 1_000_000_000_000  # milliseconds: smaller numbers are probably seconds


class Amount(click.ParamType[int]):
    """A whole number with units, such as a duration or a size."""

    def __init__(self, name: str, parse: Callable[[str], int]) -> None:
        """Set the name in the help, and the parser, which raises ValueError with the message."""
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Parse the number."""
        if isinstance(value, int):
            return value
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _with_unit(text: str, units: Mapping[str, int]) -> int | None:
    """Return a number in the smallest unit; None where the text is not a number with a unit."""
    match = re.fullmatch(_NUMBER_AND_UNIT, text.strip())
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None or not text.isascii():
        return None
    return int(min(float(match[1]) * factor, _LARGEST + 1))  # infinity, too


def _level(text: str) -> int:
    try:
        level = int(text)
    except ValueError:  # also for more digits than Python accepts
        level = None
    if level is None or not -_LARGEST <= level <= _LARGEST:
        raise ValueError(f"{text!a} is not a power level: write a whole number, such as 0, 50 or 100")
    return level


def _size(text: str) -> int:
    size = _with_unit(text, _SIZE_UNITS)
    if size is None:
        raise ValueError(f"{text!a} is not a size: write 500, 10MB or 1.5GiB")
    if size > _LARGEST:
        raise ValueError(f"{text!a} is larger than any server can hold")
    return size


def _duration(text: str) -> int:
    duration = _with_unit(text, _AGE_UNITS)
    if duration is None or duration > _LARGEST:
        raise ValueError(f"{text!a} is not a duration: write 90s, 12h or 30d")
    return duration


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _moment(text: str, direction: int) -> int | None:
    text = text.strip()
    if text.isascii() and text.isdecimal():
        number = int(text[:_MOST_DIGITS])  # Python refuses a number of thousands of digits
        return number if number >= _FIRST_SENSIBLE_TIME else None
    away = _with_unit(text, _AGE_UNITS)
    if away is not None:
        return _now() + direction * away
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _time(text: str, direction: int = -1) -> int:
    """Return a time; a duration means that long ago, or with the direction 1 from now."""
    moment = _moment(text, direction)
    if moment is None or not 0 <= moment <= _LARGEST:
        raise ValueError(
            f"{text!a} is not a time: write 30m, 12h or 7d, a date as 2026-01-31, "
            "or a time in UTC as 2026-01-31T12:00"
        )
    return moment


def _past_time(text: str) -> int:
    # With a typing error, a command that deletes older data would delete everything.
    moment = _time(text)
    if moment > _now() + _CLOCKS_DIFFER:
        raise ValueError(f"{text!a} is in the future")
    return moment


def _future_time(text: str) -> int:
    moment = _time(text, 1)
    if moment <= _now():
        raise ValueError(f"{text!a} is in the past; times without an offset are UTC")
    return moment


LEVEL = Amount("level", _level)
"""A power level: a whole number that canonical JSON can hold."""
SIZE = Amount("size", _size)
"""A number of bytes: ``500``, ``10MB``, ``1.5GiB``."""
DURATION = Amount("duration", _duration)
"""A length of time in milliseconds: ``90s``, ``12h``, ``30d``."""
PAST_TIME = Amount("time", _past_time)
"""Milliseconds since the epoch, none in the future: ``30d`` (ago), ``2026-01-31``, ``2026-01-31T12:00``."""
ANY_TIME = Amount("time", _time)
"""As PAST_TIME, but also in the future."""
FUTURE_TIME = Amount("time", _future_time)
"""Milliseconds since the epoch, none in the past: ``30d`` (from now), ``2027-01-31``."""


def given(**options: Any) -> dict[str, Any]:  # noqa: ANN401  values of any type
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def json_object(text: str, where: str) -> dict[str, Any]:
    """Parse a text as a JSON object.

    Raises:
        UsageError: it is not a JSON object; the message contains ``where``.
    """
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"{where} is not a JSON object")
    return value


def renamed(old: str, new: str, *, is_flag: bool = False) -> Callable[[F], F]:
    """Add the former name of an option, which is refused with the new name."""

    def refuse(context: click.Context, parameter: click.Parameter, value: object) -> None:
        if value:
            raise click.BadParameter(f"{old} is now {new}", context, parameter)

    return click.option(old, is_flag=is_flag, hidden=True, expose_value=False, callback=refuse)


class Sort(click.ParamType[tuple[str, bool]]):
    """The order of a list, ``FIELD[:asc|desc]``: the field, and whether the server's order is reversed."""

    name = "sort"

    def __init__(self, fields: Sequence[str], descending: Collection[str]) -> None:
        """Set the fields, and those that the server sorts from the largest to the smallest by default."""
        self.fields = fields
        self.descending = descending

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, bool]:
        """Return the field, and whether the server's order is reversed."""
        if isinstance(value, tuple):
            return value
        field, _, direction = str(value).partition(":")
        if field not in self.fields or direction not in {"", "asc", "desc"}:
            fields = ", ".join(self.fields)
            self.fail(f"{value!a} is not FIELD, FIELD:asc or FIELD:desc with one of {fields}", param, ctx)
        return field, bool(direction) and (direction == "desc") != (field in self.descending)


def sort_option(fields: Sequence[str], *, default: str, descending: Collection[str] = ()) -> Callable[[F], F]:
    """Add ``--sort`` to a command; it gets ``sort``: the field or None, and whether the order is reversed.

    Args:
        fields: the fields by which the server can sort.
        default: the default order, for the help.
        descending: the fields that the server sorts from the largest to the smallest.
    """

    def add(function: F) -> F:
        for old, is_flag in (("--order-by", False), ("--reverse", True)):
            function = renamed(old, "--sort FIELD[:asc|desc]", is_flag=is_flag)(function)
        return click.option(
            "--sort",
            type=Sort(fields, descending),
            default=(None, False),
            metavar="FIELD[:asc|desc]",
            help=f"One of {', '.join(fields)}. [default: {default}]",
        )(function)

    return add
