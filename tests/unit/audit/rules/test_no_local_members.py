"""Rooms without local members."""

from __future__ import annotations

from synadmin.audit.rules import no_local_members as rule
from tests.unit.audit.rules.case import chess, finding
from tests.unit.power.rooms import ALICE, MALLORY

FOUND = chess({MALLORY: "join", ALICE: "leave"}, facts={"state_events": 12})
PASSED = {
    "a local user is in the room": chess({ALICE: "join"}),
    "the room has a local member whose id was not read": chess({}, more_local_members=1),
}


def test_fix_deletes_the_room() -> None:
    found = finding(rule, FOUND)
    assert found.fix == "synadmin room delete '!chess:example.org'"
    assert found.details == {"members": 1, "state_events": 12}
