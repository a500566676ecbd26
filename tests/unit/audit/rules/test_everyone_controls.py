"""Rooms that everybody controls."""

from __future__ import annotations

from synadmin.audit.rules import everyone_controls as rule
from tests.unit.audit.rules.case import chess, finding
from tests.unit.power.rooms import ALICE, MALLORY, levels

FOUND = chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, users_default=100))
PASSED = {
    "everybody has a little": chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, users_default=99)),
    "there are no levels yet": chess({ALICE: "join"}, power_levels=None),
    "nobody of ours is in it": chess({MALLORY: "join"}, power_levels=levels({ALICE: 100}, users_default=100)),
}


def test_the_default_level_is_to_be_lowered() -> None:
    assert (
        finding(rule, FOUND).fix == "synadmin room set-power '!chess:example.org' --default users_default 0"
    )


def test_where_changing_takes_nothing_that_is_to_be_raised() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, events={"m.room.power_levels": 0}))
    found = finding(rule, room)
    assert found.fix == "synadmin room set-power '!chess:example.org' --event m.room.power_levels 100"
    assert found.details == {"users_default": 0, "needed": 0}


def test_it_is_told_of_rooms_of_other_servers_too() -> None:
    open_to_all = levels({MALLORY: 100}, users_default=100)
    found = finding(rule, chess({ALICE: "join"}, creators=(MALLORY,), power_levels=open_to_all))
    assert found.subject.id == "!chess:example.org"
