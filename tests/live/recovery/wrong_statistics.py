"""Random rooms with wrong statistics: synadmin must plan as with correct statistics.

    python -m tests.live.recovery.wrong_statistics --rooms 1000 --seed 7

The Admin API takes member counts, join rules and federation of a room from statistics. These may be missing
or out of date. Each room has random parameters and is made on a real Synapse. Synadmin plans for it, then the
statistics are corrupted in the database in several ways, and synadmin plans again. The program prints the
number of rooms and every difference. Its exit code is 1 if there is a difference.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synadmin.power.steps import Plan
from synadmin.recovery.observer import Observer
from tests.live import random_rooms
from tests.live.differential import Comparison, Drawn, RoomBuilder, draw

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.random_rooms import Tally

_TIMEOUT = 30  # seconds until Synapse's statistics are current

CORRUPTIONS = {
    "deleted": (
        "DELETE FROM room_stats_current WHERE room_id = ?",
        "DELETE FROM room_stats_state WHERE room_id = ?",
    ),
    "zeroed": (
        "UPDATE room_stats_current SET joined_members = 0, local_users_in_room = 0 WHERE room_id = ?",
    ),
    "stale": (
        "UPDATE room_stats_current SET joined_members = 9, local_users_in_room = 7 WHERE room_id = ?",
        "UPDATE room_stats_state SET is_federatable = NOT is_federatable WHERE room_id = ?",
        "UPDATE room_stats_state SET history_visibility = 'world_readable' WHERE room_id = ?",
        """UPDATE room_stats_state SET join_rules = CASE join_rules WHEN 'public' THEN 'invite'
        ELSE 'public' END WHERE room_id = ?""",
    ),
}
"""The SQL statements that corrupt the statistics of a room, by kind. They are applied one after the other."""


def corrupt_statistics(server: Homeserver, room_id: RoomId, how: str) -> None:
    """Wait until Synapse's statistics are current, then corrupt those of a room."""
    with closing(sqlite3.connect(server.directory / "homeserver.db", timeout=_TIMEOUT)) as database:
        until = time.monotonic() + _TIMEOUT
        while not _statistics_are_current(database):
            assert time.monotonic() < until, "Synapse does not update its statistics"
            time.sleep(0.05)
        for change in CORRUPTIONS[how]:
            database.execute(change, (room_id,))
        database.commit()


def _statistics_are_current(database: sqlite3.Connection) -> bool:
    ((counted, newest),) = database.execute(
        "SELECT (SELECT stream_id FROM stats_incremental_position), "
        "(SELECT MAX(stream_id) FROM current_state_delta_stream)"
    )
    return counted is not None and counted >= newest


@dataclass
class StatisticsComparison:
    """The comparison of the plans for one room with correct and with wrong statistics."""

    builder: RoomBuilder
    drawn: Drawn
    room_id: RoomId
    differences: list[str] = field(default_factory=list)

    def compare(self) -> str:
        """Plan, corrupt the statistics, plan again; return the kind of the room."""
        self.builder.set_account_states(self.drawn, active=True)
        try:
            # "deleted" is last: afterwards there are no statistics to corrupt.
            right = self._plan()
            for how in ("zeroed", "stale", "deleted"):
                corrupt_statistics(self.builder.server, self.room_id, how)
                wrong = self._plan()
                if wrong != right:
                    self.differences.append(f"{how}: {wrong!r}, with correct statistics {right!r}")
        finally:
            self.builder.set_account_states(self.drawn, active=False)
        return "a plan" if isinstance(right[0], Plan) else str(right[1])

    def _plan(self) -> tuple[object, str | None]:
        goal = Comparison(self.builder, self.drawn, self.room_id).goal
        observation = Observer(self.builder.server.admin.synapse).observe(self.room_id, goal)
        return observation.answer, getattr(observation.answer, "reason", None)


def run(server: Homeserver, *, rooms: int, seed: int) -> Iterator[Tally]:
    """Compare this many rooms; yield the tally after each room."""
    builder = RoomBuilder(server)

    def make(rng: random.Random) -> StatisticsComparison:
        drawn = draw(rng)
        return StatisticsComparison(builder, drawn, builder.make(drawn))

    return random_rooms.compare_rooms(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run the comparison from the shell; return the exit code."""
    parser = argparse.ArgumentParser(description="Random rooms with wrong statistics.")
    return random_rooms.main(
        parser, lambda server, options: run(server, rooms=options.rooms, seed=options.seed)
    )


if __name__ == "__main__":
    sys.exit(main())
