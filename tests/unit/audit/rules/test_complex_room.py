"""Rooms with many state events or forward extremities."""

from __future__ import annotations

from synadmin.audit.rules import complex_room as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE

FOUND = chess({ALICE: "join"}, facts={"state_events": 84210})
PASSED = {
    "10,000 state events are not too many": chess({ALICE: "join"}, facts={"state_events": 10_000}),
    "10 forward extremities are not too many": chess({ALICE: "join"}, facts={"forward_extremities": 10}),
}


def test_no_fix_where_state_events_are_too_many() -> None:
    assert finding(rule, FOUND).fix is None


def test_fix_deletes_forward_extremities() -> None:
    found = finding(rule, chess({ALICE: "join"}, facts={"forward_extremities": 11, "state_events": 10_001}))
    assert found.message == "The room has 10001 state events and 11 forward extremities."
    assert found.fix == "synadmin room forward-extremities '!chess:example.org' --clear"
    assert found.details == {"state_events": 10_001, "forward_extremities": 11}


def test_threshold_can_be_configured() -> None:
    assert not findings(rule, FOUND, state_events=84210)
    assert findings(rule, chess({ALICE: "join"}, facts={"forward_extremities": 2}), extremities=1)
