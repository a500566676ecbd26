"""What the planner foresees is what Synapse does, in rooms drawn at random.

A few dozen of them here, the same ones each time; ``python -m tests.live.differential`` draws as many as
you have time for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.live.differential import run

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver


def test_every_outcome_is_the_planned_one(homeserver: Homeserver) -> None:
    rooms = int(os.environ.get("SYNADMIN_TEST_ROOMS", "40"))
    *_, tally = run(homeserver, rooms=rooms, seed=12)
    assert tally.rooms == rooms
    assert len(tally.kinds) > 8, "the rooms are too much alike to show anything"
    assert not tally.differences, "\n".join(tally.differences)
