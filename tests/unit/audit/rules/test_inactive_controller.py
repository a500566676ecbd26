"""Rooms whose controllers are inactive."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import AccountFacts
from synadmin.audit.rules import inactive_controller as rule
from tests.unit.audit.rules.case import NOW, chess, days_ago, finding, findings, noon_of
from tests.unit.power.rooms import ALICE, BOB, CAROL, MALLORY, levels

_BOTH = levels({ALICE: 100, BOB: 100})
FOUND = chess(
    {ALICE: "join", BOB: "join"},
    power_levels=_BOTH,
    accounts={ALICE: "suspended"},
    seen={ALICE: NOW, BOB: noon_of(2024, 1, 31)},
)
PASSED = {
    "one controller is active": chess(
        {ALICE: "join", BOB: "join"},
        power_levels=_BOTH,
        seen={ALICE: noon_of(2024, 1, 31), BOB: days_ago(89)},
    ),
    "the last activity is unknown": chess({ALICE: "join"}, seen={ALICE: None}),
    "no user controls the room": chess({BOB: "join"}),
    "all members control the room": chess(
        {ALICE: "join"},
        power_levels=levels({ALICE: 100}, users_default=100),
        seen={ALICE: days_ago(500)},
        more_local_members=1,
    ),
    "the room is from another server": chess(
        {ALICE: "join"},
        creators=(MALLORY,),
        power_levels=levels({ALICE: 100}),
        seen={ALICE: days_ago(500)},
    ),
}


def test_finding_says_why_each_controller_is_inactive() -> None:
    found = finding(rule, FOUND)
    assert found.details["users"] == [
        {"user_id": ALICE, "state": "suspended", "seen": "2026-11-21T09:30:00Z"},
        {"user_id": BOB, "state": "active", "seen": "2024-01-31T12:00:00Z"},
    ]
    assert found.fix == "synadmin room make-admin '!chess:example.org'"


def test_room_with_a_locked_controller_is_found() -> None:
    found = finding(rule, chess({ALICE: "join", CAROL: "join"}, accounts={ALICE: "locked"}))
    assert found.message == "All users who control the room are inactive: @alice:example.org (locked)."


def test_never_seen_account_counts_from_its_creation() -> None:
    room = chess({ALICE: "join"})
    old = AccountFacts(user_id=ALICE, created=days_ago(91), now=NOW)
    assert "(never seen)" in finding(rule, replace(room, accounts={ALICE: old})).message
    young = AccountFacts(user_id=ALICE, created=days_ago(89), now=NOW)
    assert not findings(rule, replace(room, accounts={ALICE: young}))


def test_application_service_users_are_active() -> None:
    bot = AccountFacts(user_id=ALICE, created=days_ago(500), appservice=True, now=NOW)
    assert not findings(rule, replace(chess({ALICE: "join"}), accounts={ALICE: bot}))


def test_period_can_be_configured() -> None:
    room = chess({ALICE: "join"}, seen={ALICE: days_ago(40)})
    assert not findings(rule, room)
    assert findings(rule, room, days=30)
