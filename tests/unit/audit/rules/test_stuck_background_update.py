"""Background updates that do not finish."""

from __future__ import annotations

from synadmin.audit.rules import stuck_background_update as rule
from tests.unit.audit.rules.case import finding, findings, server

FOUND = server(update_running="event_search", update_at_baseline="event_search")
PASSED = {
    "no update is running": server(),
    "no baseline says how long the update has been running": server(update_running="event_search"),
    "another update was running at the baseline": server(
        update_running="event_search", update_at_baseline="receipts"
    ),
    "the update of the baseline has finished": server(update_at_baseline="event_search"),
}


def test_fix_enables_background_updates() -> None:
    found = finding(rule, server(updates_enabled=False))
    assert found.message == "Background updates are disabled."
    assert found.fix == "synadmin background-update enable"


def test_disabled_and_stuck_are_two_findings() -> None:
    both = server(updates_enabled=False, update_running="a", update_at_baseline="a")
    assert len({found.key for found in findings(rule, both)}) == 2
