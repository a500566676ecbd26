"""Findings: their ids, and the order of severities."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.findings import Finding, Severity, Subject

FINDING = Finding(rule="weak-control", severity=Severity.INFO, subject=Subject("room", "!a"), message="Weak.")


def test_severities_are_ordered() -> None:
    assert sorted(Severity, key=lambda severity: severity.rank) == [
        Severity.INFO,
        Severity.WARNING,
        Severity.ERROR,
    ]


def test_finding_keeps_its_id_when_its_text_changes() -> None:
    changed = replace(
        FINDING,
        severity=Severity.ERROR,
        message="Weaker.",
        details={"needed": 0},
        subject=Subject("room", "!a", "Chess"),
    )
    assert changed.key == FINDING.key


def test_finding_id_depends_on_rule_subject_and_part() -> None:
    others = [
        replace(FINDING, rule="ghost-power"),
        replace(FINDING, subject=Subject("user", "!a")),
        replace(FINDING, subject=Subject("room", "!b")),
        replace(FINDING, part="@alice:example.org"),
    ]
    assert len({FINDING.key, *(other.key for other in others)}) == 5
