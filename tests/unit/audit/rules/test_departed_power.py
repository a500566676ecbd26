"""Power levels of users who are not in the room."""

from __future__ import annotations

from synadmin.audit.rules import departed_power as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, BOB, CAROL, MALLORY, levels

FOUND = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 100}))
PASSED = {
    "all users are in the room": chess(
        {ALICE: "join", BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 50})
    ),
    "the user who left has level 49": chess({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 49})),
    "the user does not exist": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50}), accounts={BOB: "missing"}
    ),
    "the membership of the remote user is unknown": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, MALLORY: 50})
    ),
    "no local user is in the room": chess({MALLORY: "join"}),
}


def test_no_fix_where_no_member_has_a_higher_level() -> None:
    found = finding(rule, FOUND)
    assert found.fix is None
    assert found.details == {"user_id": BOB, "power_level": 100, "account": "active"}


def test_fix_through_a_user_with_a_higher_level() -> None:
    room = chess({ALICE: "join", BOB: "ban"}, power_levels=levels({ALICE: 100, BOB: 50}))
    assert (
        finding(rule, room).fix
        == "synadmin room demote '!chess:example.org' @bob:example.org --allow impersonate"
    )


def test_version_12_creator_who_left_keeps_power() -> None:
    found = finding(rule, chess({BOB: "join"}, version="12", power_levels=levels({BOB: 100})))
    assert found.message == "@alice:example.org is a creator and is not in the room."
    assert found.fix is None


def test_remote_user_who_left_is_found() -> None:
    room = chess({ALICE: "join", MALLORY: "leave"}, power_levels=levels({ALICE: 100, MALLORY: 50}))
    assert finding(rule, room).details["account"] is None


def test_each_user_is_a_finding() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50, CAROL: 50}))
    assert len({found.key for found in findings(rule, room)}) == 2


def test_threshold_can_be_configured() -> None:
    assert not findings(rule, FOUND, level=101)
