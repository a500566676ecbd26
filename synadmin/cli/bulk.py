"""Show how far the work on many targets is."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from synadmin.cli.invocation import Invocation

T = TypeVar("T")

_REDRAW = 0.2  # seconds


def progress(invocation: Invocation, things: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Pass things on, and show on a terminal how many there were and how many a second."""
    if not invocation.is_watched or total == 1:
        yield from things
        return
    started = drawn = time.monotonic()
    count = 0
    try:
        for thing in things:
            invocation.draw("")
            yield thing
            count += 1
            now = time.monotonic()
            if now - drawn >= _REDRAW:
                drawn = now
                of = f" of {total}" if total is not None else ""
                invocation.draw(f"{count}{of} {what}, {count / (now - started):.1f}/s")
    finally:
        invocation.draw("")
