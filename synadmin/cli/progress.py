"""A progress line: the number of finished targets, the speed, and the remaining time."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from synadmin.cli.invocation import Invocation

T = TypeVar("T")

_MINUTE = 60
_HOUR = 3600


def progress(invocation: Invocation, items: Iterable[T], *, total: int, what: str) -> Iterator[T]:
    """Yield the items; on a terminal, show a progress line.

    Args:
        items: an iterator that does the work of each item when the next item is requested.
        total: the number of items.
        what: the verb of the counter: ``done``, ``looked at``.
    """
    if not invocation.is_watched or total == 1:
        yield from items
        return
    started = time.monotonic()
    iterator = iter(items)
    count = 0
    try:
        while True:
            invocation.draw(_line(count, total, what, time.monotonic() - started))
            try:
                item = next(iterator)
            except StopIteration:
                return
            count += 1
            invocation.draw("")
            yield item
    finally:
        invocation.draw("")


def _line(count: int, total: int, what: str, seconds: float) -> str:
    line = f"{count} of {total} {what}"
    if not count or seconds <= 0:
        return line
    left = seconds / count * (total - count)
    return f"{line}, {count / seconds:.1f}/s, {elapsed(left)} left"


def elapsed(seconds: float) -> str:
    """Return a duration for people: ``42 s``, ``3 min 5 s``, ``2 h 14 min``."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
