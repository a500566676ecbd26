"""Carry out plans that need more than the Admin API, in random rooms.

This test uses a few dozen rooms, the same ones in every run. ``python -m tests.live.recovery.differential``
uses as many rooms as you choose.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from synadmin.power.room import Reach
from tests.live.recovery.differential import run

if TYPE_CHECKING:
    from synadmin.sandbox.homeserver import Homeserver


def test_no_plan_fails_and_no_refusal_is_wrong(homeserver: Homeserver) -> None:
    rooms = int(os.environ.get("SYNADMIN_TEST_ROOMS", "20"))
    *_, tally = run(homeserver, rooms=rooms, seed=22, max_reach=Reach.REACTIVATE)
    assert tally.rooms == rooms
    assert len(tally.kinds) > 8, "the rooms are too similar"
    assert not tally.differences, "\n".join(tally.differences)
