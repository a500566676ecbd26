"""Power for those who do not exist."""

from __future__ import annotations

from synadmin.audit.rules import ghost_power as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, BOB, CAROL, levels, local, remote

ALCIE = local("alcie")
_GHOST = {ALCIE: "missing"}
FOUND = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 100}), accounts=_GHOST)
PASSED = {
    "all of them exist": chess({ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50})),
    "a deactivated account exists": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, BOB: 50}), accounts={BOB: "deactivated"}
    ),
    "the ghost has no more than everybody": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 0}), accounts=_GHOST
    ),
    "who exists elsewhere is not known here": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100, remote("alcie"): 100})
    ),
    "nobody of ours is in it, so what is known may be old": chess(
        {}, power_levels=levels({ALCIE: 100}), accounts=_GHOST
    ),
}


def test_where_nobody_stands_above_the_name_is_to_be_taken() -> None:
    assert finding(rule, FOUND).fix == "synadmin user create @alcie:example.org"


def test_where_somebody_stands_above_it_is_to_be_demoted() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, ALCIE: 50}), accounts=_GHOST)
    found = finding(rule, room)
    assert found.fix == "synadmin room demote '!chess:example.org' @alcie:example.org"
    assert found.details == {"user_id": ALCIE, "power_level": 50}


def test_each_ghost_of_a_room_is_a_finding_of_its_own() -> None:
    more = levels({ALICE: 100, ALCIE: 50, CAROL: 25})
    room = chess({ALICE: "join"}, power_levels=more, accounts={ALCIE: "missing", CAROL: "missing"})
    assert len({found.key for found in findings(rule, room)}) == 2


def test_a_creator_of_version_12_may_be_a_ghost() -> None:
    room = chess({ALICE: "join"}, version="12", creators=(ALICE, ALCIE), accounts=_GHOST)
    found = finding(rule, room)
    assert found.details["power_level"] == "creator"
    assert found.fix == "synadmin user create @alcie:example.org"
