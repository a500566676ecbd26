"""Ignore entries that match no finding."""

from __future__ import annotations

from synadmin.audit.facts import IgnoreFacts
from synadmin.audit.rules import unused_ignore as rule
from tests.unit.audit.rules.case import CHESS, finding

FOUND = IgnoreFacts(rule="no-local-control", subject=CHESS, reason="archive", until="2027-01-01")
PASSED = {
    "the entry matches a finding": IgnoreFacts(
        rule="no-local-control", subject=CHESS, reason="archive", matched=True
    ),
}


def test_two_ignore_entries_for_one_subject_are_two_findings() -> None:
    other = IgnoreFacts(rule="weak-control", subject=CHESS, reason="archive")
    assert finding(rule, FOUND).key != finding(rule, other).key


def test_details_have_reason_and_last_day() -> None:
    assert finding(rule, FOUND).details == {"reason": "archive", "until": "2027-01-01"}
