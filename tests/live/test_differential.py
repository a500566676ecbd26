"""Compare plans and predictions with Synapse in random rooms.

This test uses a few dozen rooms, the same ones in every run. ``python -m tests.live.differential`` uses as
many rooms as you choose.
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
    assert len(tally.kinds) > 8, "the rooms are too similar"
    assert not tally.differences, "\n".join(tally.differences)
