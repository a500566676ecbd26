"""Findings: which is which, and how much each matters."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.findings import Finding, Severity, Subject

FINDING = Finding(rule="weak-control", severity=Severity.INFO, subject=Subject("room", "!a"), message="Weak.")


def test_the_more_it_matters_the_higher_the_rank() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [Severity.INFO, Severity.WARNING, Severity.ERROR]


def test_other_words_and_numbers_make_no_other_finding() -> None:
    changed = replace(
        FINDING,
        severity=Severity.ERROR,
        message="Weaker.",
        details={"needed": 0},
        subject=Subject("room", "!a", "Chess"),
    )
    assert changed.key == FINDING.key


def test_another_rule_subject_or_part_makes_another() -> None:
    others = [
        replace(FINDING, rule="ghost-power"),
        replace(FINDING, subject=Subject("user", "!a")),
        replace(FINDING, subject=Subject("room", "!b")),
        replace(FINDING, part="@alice:example.org"),
    ]
    assert len({FINDING.key, *(other.key for other in others)}) == 5
