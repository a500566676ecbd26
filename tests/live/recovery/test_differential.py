"""Plans that go beyond the Admin API, carried out in rooms drawn at random.

A few dozen of them here, the same ones each time; ``python -m tests.live.recovery.differential`` draws as
many as you have time for.
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
    *_, tally = run(homeserver, rooms=rooms, seed=22, furthest=Reach.REACTIVATE)
    assert tally.rooms == rooms
    assert len(tally.kinds) > 8, "the rooms are too much alike to show anything"
    assert not tally.differences, "\n".join(tally.differences)
