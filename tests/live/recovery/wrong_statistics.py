"""Random rooms whose statistics are wrong: what is planned must be as with right ones.

    python -m tests.live.recovery.wrong_statistics --rooms 1000 --seed 7

Synapse's counts, join rules and federation of a room, as its admin API tells them, are statistics that it
may not keep, or not have up to date. A room is drawn and made on a real Synapse and planned for; then its
statistics are spoiled in the database in several ways, and it is planned for again. Prints how many rooms
there were and every difference; ends with 1 where there is one.
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
from tests.live.differential import Comparison, Drawn, Stage, draw

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.random_rooms import Tally

_PATIENCE = 30  # seconds until Synapse has counted

WRONG = {
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
"""How statistics are spoiled; each time on top of what was done before."""


def spoil(server: Homeserver, room_id: RoomId, how: str) -> None:
    """Make a room's statistics wrong, once Synapse has counted all that has happened so far."""
    with closing(sqlite3.connect(server.directory / "homeserver.db", timeout=_PATIENCE)) as database:
        until = time.monotonic() + _PATIENCE
        while not _has_counted(database):
            assert time.monotonic() < until, "Synapse does not count"
            time.sleep(0.05)
        for change in WRONG[how]:
            database.execute(change, (room_id,))
        database.commit()


def _has_counted(database: sqlite3.Connection) -> bool:
    ((counted, newest),) = database.execute(
        "SELECT (SELECT stream_id FROM stats_incremental_position), "
        "(SELECT MAX(stream_id) FROM current_state_delta_stream)"
    )
    return counted is not None and counted >= newest


@dataclass
class Spoiled:
    """One room, planned for with right statistics and with wrong ones."""

    stage: Stage
    drawn: Drawn
    room_id: RoomId
    found: list[str] = field(default_factory=list)

    def compare(self) -> str:
        """Plan, spoil, plan again; return what kind of room it was."""
        self.stage.meet_fates(self.drawn, met=True)
        try:
            # zeroed and stale before deleted: there is nothing left to spoil after that.
            right = self._planned()
            for how in ("zeroed", "stale", "deleted"):
                spoil(self.stage.server, self.room_id, how)
                wrong = self._planned()
                if wrong != right:
                    self.found.append(f"{how}: {wrong!r}, with right statistics {right!r}")
        finally:
            self.stage.meet_fates(self.drawn, met=False)
        return "a plan" if isinstance(right[0], Plan) else str(right[1])

    def _planned(self) -> tuple[object, str | None]:
        goal = Comparison(self.stage, self.drawn, self.room_id).goal
        observation = Observer(self.stage.server.admin.synapse).observe(self.room_id, goal)
        return observation.answer, getattr(observation.answer, "reason", None)


def run(server: Homeserver, *, rooms: int, seed: int) -> Iterator[Tally]:
    """Make and compare rooms; yield the tally after each."""
    stage = Stage(server)

    def make(chance: random.Random) -> Spoiled:
        drawn = draw(chance)
        return Spoiled(stage, drawn, stage.make(drawn))

    return random_rooms.compared(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run it from the shell."""
    parser = argparse.ArgumentParser(description="Random rooms with wrong statistics.")
    return random_rooms.main(
        parser, lambda server, options: run(server, rooms=options.rooms, seed=options.seed)
    )


if __name__ == "__main__":
    sys.exit(main())
