"""Rooms that a control file gives to heirs, because no controller is active."""

from __future__ import annotations

from synadmin.audit.facts import HeirFacts
from synadmin.audit.rules import heir_due as rule
from tests.unit.audit.rules.case import chess, finding
from tests.unit.power.rooms import ALICE, BOB

HEIRS = HeirFacts(users=(BOB,), date="2027-01-31", stage="wait", file="/srv/my rooms/control.toml")
FOUND = chess({ALICE: "join", BOB: "join"}, facts={"heirs": HEIRS})
PASSED = {"no heir is due": chess({ALICE: "join", BOB: "join"})}


def test_fix_shows_the_control_plan() -> None:
    found = finding(rule, FOUND)
    assert found.message.startswith(f"{BOB} gets control on 2027-01-31: ")
    assert found.fix == "synadmin control plan '/srv/my rooms/control.toml'"
    assert found.details == {"heirs": [BOB], "date": "2027-01-31", "stage": "wait"}
