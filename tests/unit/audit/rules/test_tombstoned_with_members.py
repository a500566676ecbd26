"""Replaced rooms that still have local members."""

from __future__ import annotations

from synadmin.audit.rules import tombstoned_with_members as rule
from synadmin.ids import RoomId
from tests.unit.audit.rules.case import chess, finding
from tests.unit.power.rooms import ALICE, MALLORY

FOUND = chess(
    {ALICE: "join"},
    more_local_members=3,
    facts={"tombstoned": True, "replacement": RoomId("!new:example.org")},
)
PASSED = {
    "the room was not replaced": chess({ALICE: "join"}, facts={"tombstoned": False}),
    "the tombstone was not read": chess({ALICE: "join"}),
    "no local user is in the room": chess({MALLORY: "join"}, facts={"tombstoned": True}),
}


def test_tombstone_without_replacement_is_found() -> None:
    found = finding(rule, chess({ALICE: "join"}, facts={"tombstoned": True}))
    assert found.message == "The room was replaced, but 1 local user is still in it."
    assert found.details == {"replacement": None, "local_members": 1}
