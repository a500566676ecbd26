"""Power levels of user ids without an account."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import AccountFacts, RoomFacts
from synadmin.audit.rules import ghost_power as rule
from synadmin.power.room import AccountState, Reach
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, BOB, CAROL, levels, local, remote

ALCIE = local("alcie")
_GHOST = {ALCIE: "missing"}
FOUND = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 100}), accounts=_GHOST)
PASSED = {
    "all users exist": chess({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50})),
    "a deactivated account exists": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50}), accounts={BOB: "deactivated"}
    ),
    "the ghost has only the default level": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 0}), accounts=_GHOST
    ),
    "the user is on another server": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, remote("alcie"): 100})
    ),
    "no local user is in the room, so its state may be outdated": chess(
        {}, power_levels=levels({ALCIE: 100}), accounts=_GHOST
    ),
}


def test_fix_registers_the_account_where_no_user_has_a_higher_level() -> None:
    assert finding(rule, FOUND).fix == "synadmin user create @alcie:example.org"


def test_fix_demotes_the_ghost_through_a_user_with_a_higher_level() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 50}), accounts=_GHOST)
    found = finding(rule, room)
    assert found.fix == "synadmin room demote '!chess:example.org' @alcie:example.org --allow impersonate"
    assert found.details == {"user_id": ALCIE, "power_level": 50}


def test_each_ghost_of_a_room_is_a_finding() -> None:
    more = levels({ALICE: 100, ALCIE: 50, CAROL: 25})
    room = chess({ALICE: "join"}, power_levels=more, accounts={ALCIE: "missing", CAROL: "missing"})
    assert len({found.key for found in findings(rule, room)}) == 2


def test_version_12_creator_may_be_a_ghost() -> None:
    room = chess({ALICE: "join"}, version="12", creators=(ALICE, ALCIE), accounts=_GHOST)
    found = finding(rule, room)
    assert found.details["power_level"] == "creator"
    assert found.fix == "synadmin user create @alcie:example.org"


def _ghost(**account: bool) -> RoomFacts:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 100}), accounts=_GHOST)
    ghost = AccountFacts(user_id=ALCIE, state=AccountState.MISSING, now=0, **account)
    return replace(room, accounts={ALCIE: ghost})


def test_server_notices_user_is_not_a_ghost() -> None:
    assert not findings(rule, _ghost(reserved=True, nameable=False))


def test_no_fix_for_a_ghost_that_cannot_be_registered() -> None:
    found = finding(rule, _ghost(nameable=False))
    assert found.fix is None
    assert found.message == "@alcie:example.org has power level 100, but no such account exists."


def test_no_account_is_created_under_mas() -> None:
    assert finding(rule, replace(_ghost(), possible=Reach.API)).fix is None
