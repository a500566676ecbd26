"""Rooms of this server that no local user controls, and how they can be regained."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from synadmin.audit.facts import AccountFacts
from synadmin.audit.rules import no_local_control as rule
from synadmin.ids import RoomId, UserId
from synadmin.power.room import AccountState, Reach
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels

# Alice has left with level 100; every member may invite her again.
FOUND = chess({BOB: "join", CAROL: "join"}, more_local_members=1)
PASSED = {
    "the creator controls the room": chess({ALICE: "join", BOB: "join"}),
    "another user controls the room": chess({BOB: "join"}, power_levels=levels({ALICE: 100, BOB: 100})),
    "all members control the room": chess(
        {}, power_levels=levels({}, users_default=100), more_local_members=2
    ),
    "the room is from another server": chess(
        {BOB: "join"}, creators=(MALLORY,), power_levels=levels({MALLORY: 100})
    ),
    "no local user is in the room": chess({MALLORY: "join"}),
}


def test_finding_names_the_least_reach_and_the_command() -> None:
    found = finding(rule, FOUND)
    assert found.fix == "synadmin room make-admin '!chess:example.org' --allow impersonate"
    assert found.details["reach"] == "impersonate"
    assert found.details["reason"] == "needs-impersonate"
    assert found.details["local_members"] == 3
    assert found.details["needed"] == 100


def test_locked_controller_can_still_promote() -> None:
    found = finding(rule, chess({ALICE: "join", BOB: "join"}, accounts={ALICE: "locked"}))
    assert found.details["reach"] == "api"
    assert found.fix == "synadmin room make-admin '!chess:example.org'"
    assert found.message.endswith("it has 2 local members. Make Room Admin regains it.")


def test_suspended_controller_needs_reactivation() -> None:
    found = finding(rule, chess({ALICE: "join", BOB: "join"}, accounts={ALICE: "suspended"}))
    assert found.details["reach"] == "reactivate"
    assert found.fix is not None
    assert found.fix.endswith(" --allow reactivate")


def test_room_that_cannot_be_regained_names_the_power_holders() -> None:
    lost = chess({BOB: "join", MALLORY: "join"}, power_levels=levels({MALLORY: 100}))
    found = finding(rule, lost)
    assert found.details["reach"] is None
    assert MALLORY in found.details["why"]
    assert found.message.startswith(
        "No local user controls the room; it has 1 local member. Nothing regains it. "
    )
    assert found.fix == f"synadmin room replace '!chess:example.org' --admin {ADMIN} --dry-run"


def test_no_fix_where_impersonation_is_impossible() -> None:
    found = finding(rule, replace(FOUND, possible=Reach.API))
    assert found.details["reach"] is None
    assert found.fix is None


def test_default_level_is_no_control_without_members() -> None:
    user_levels = levels({BOB: 0}, users_default=100)
    assert findings(rule, chess({BOB: "join"}, power_levels=user_levels))


@pytest.mark.parametrize("room_id", ["!a'; rm -rf ~ #:example.org", "!-x:example.org", "!a\nb:example.org"])
def test_hostile_room_id_is_quoted_in_the_command(room_id: str) -> None:
    view = replace(FOUND.view, room_id=RoomId(room_id))
    found = finding(rule, replace(FOUND, view=view))
    assert found.fix is not None
    assert shlex.split(found.fix)[3] == room_id


def test_server_notices_room_is_not_lost() -> None:
    notices = UserId("@notices:example.org")
    room = chess({BOB: "join"}, creators=(notices,), power_levels=levels({notices: 100}))
    account = AccountFacts(user_id=notices, state=AccountState.MISSING, reserved=True, now=0)
    assert findings(rule, room)
    assert not findings(rule, replace(room, accounts={notices: account}))
