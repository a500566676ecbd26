"""Rooms in which a low level is enough to change power levels."""

from __future__ import annotations

from synadmin.audit.rules import weak_control as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, MALLORY, levels

_WEAK = levels({ALICE: 100}, events={"m.room.power_levels": 25})
FOUND = chess({ALICE: "join"}, power_levels=_WEAK)
PASSED = {
    "level 50 is needed": chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, events={})),
    "the room has no power levels event": chess({ALICE: "join"}, power_levels=None),
    "no local user is in the room": chess({MALLORY: "join"}, power_levels=_WEAK),
}


def test_fix_raises_the_required_level() -> None:
    assert finding(rule, FOUND).fix == (
        "synadmin room set-power '!chess:example.org' --event m.room.power_levels 50 --allow impersonate"
    )


def test_low_state_default_is_found() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, events={}, state_default=0))
    assert finding(rule, room).details == {"needed": 0}


def test_threshold_can_be_configured() -> None:
    assert not findings(rule, FOUND, level=25)
    found = finding(rule, chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, events={})), level=100)
    assert found.fix is not None
    assert found.fix.endswith(" 100 --allow impersonate")
