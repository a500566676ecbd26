"""Servers that cannot be reached."""

from __future__ import annotations

from synadmin.audit.facts import DestinationFacts
from synadmin.audit.rules import failing_destination as rule
from tests.unit.audit.rules.case import days_ago, finding, findings, server


def _unreachable(days: int, rooms: int) -> DestinationFacts:
    return DestinationFacts(server_name="gone.example", failing_since=days_ago(days), shared_rooms=rooms)


FOUND = server(destinations=(_unreachable(12, 3),))
PASSED = {
    "the destination has failed for 6 days": server(destinations=(_unreachable(6, 3),)),
    "the destination shares no room with this server": server(destinations=(_unreachable(12, 0),)),
    "all destinations can be reached": server(),
}


def test_fix_works_while_the_destination_is_unreachable() -> None:
    found = finding(rule, FOUND)
    assert found.fix == "synadmin federation show gone.example"
    assert found.subject.type == "destination"
    assert found.details["failing_since"] == "2026-11-09T09:30:00Z"


def test_period_can_be_configured() -> None:
    assert not findings(rule, FOUND, days=13)
    assert findings(rule, server(destinations=(_unreachable(1, 1),)), days=1)
