"""Run a comparison on many random rooms, and count the differences."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from synadmin.sandbox.homeserver import Homeserver

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from synadmin.ids import RoomId


class Comparison(Protocol):
    """The comparison of the expected and the actual state of one room."""

    @property
    def drawn(self) -> Any:  # noqa: ANN401  any dataclass
        """The random parameters of the room."""

    @property
    def room_id(self) -> RoomId: ...

    @property
    def differences(self) -> list[str]:
        """The differences that were found."""

    def compare(self) -> str:
        """Compare, and return the kind of the room."""


@dataclass
class Tally:
    """The number of rooms, of rooms of each kind, and the differences."""

    rooms: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compare_rooms(make: Callable[[random.Random], Comparison], *, rooms: int, seed: int) -> Iterator[Tally]:
    """Make and compare this many rooms; yield the tally after each room."""
    tally = Tally()
    for number in range(rooms):
        # Each room has a separate seed, so a room with a difference can be made again alone.
        comparison = make(random.Random(f"{seed}/{number}"))
        kind = comparison.compare()
        tally.rooms += 1
        tally.kinds[kind] += 1
        if comparison.differences:
            room = f"room {number}: {comparison.room_id} {asdict(comparison.drawn)}"
            tally.differences.append("\n  ".join([room, f"({kind})", *comparison.differences]))
        yield tally


def main(
    parser: argparse.ArgumentParser, run: Callable[[Homeserver, argparse.Namespace], Iterator[Tally]]
) -> int:
    """Run the comparison from the shell; return the exit code."""
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    started = time.monotonic()
    tally, shown = Tally(), 0
    with Homeserver() as server:
        for tally in run(server, options):
            for difference in tally.differences[shown:]:
                sys.stdout.write(f"{difference}\n")
                sys.stdout.flush()
            shown = len(tally.differences)
            if tally.rooms % 100 == 0:
                sys.stderr.write(f"{tally.rooms} rooms, {shown} differences\n")
    for kind, count in sorted(tally.kinds.items()):
        sys.stdout.write(f"{count:6} {kind}\n")
    took = time.monotonic() - started
    sys.stdout.write(
        f"{tally.rooms} rooms (seed {options.seed}) in {took:.0f} s: {len(tally.differences)} differences\n"
    )
    return 1 if tally.differences else 0
