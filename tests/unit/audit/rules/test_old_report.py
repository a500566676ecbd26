"""Reports that have been open for a long time."""

from __future__ import annotations

from synadmin.audit.facts import ReportFacts
from synadmin.audit.rules import old_report as rule
from tests.unit.audit.rules.case import CHESS, days_ago, finding, findings, server
from tests.unit.power.rooms import BOB

FOUND = server(reports=(ReportFacts(id=12, about="event", received=days_ago(9), room_id=CHESS),))
PASSED = {
    "the report is 7 days old": server(reports=(ReportFacts(id=1, about="event", received=days_ago(7)),)),
    "there are no reports": server(),
}


def test_fix_shows_the_report() -> None:
    assert finding(rule, FOUND).fix == "synadmin report show 12"


def test_user_reports_have_their_own_numbers() -> None:
    both = server(
        reports=(
            ReportFacts(id=12, about="event", received=days_ago(9)),
            ReportFacts(id=12, about="user", received=days_ago(9), reported_user=BOB),
        )
    )
    event, user = findings(rule, both)
    assert event.key != user.key
    assert user.fix == "synadmin report show 12 --users"
    assert user.message == "The report of @bob:example.org has been open for 9 days."


def test_age_can_be_configured() -> None:
    assert not findings(rule, FOUND, days=9)
    assert findings(rule, FOUND, days=8)
