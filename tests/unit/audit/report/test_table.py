from __future__ import annotations

import io
from dataclasses import replace

from synadmin.audit.report import Report, render
from tests.unit.audit.report.sample import HOSTILE, report


def _table(audit_report: Report) -> str:
    out = io.StringIO()
    render("table", audit_report, out)
    return out.getvalue()


def test_table_is_empty_without_new_or_solved_findings() -> None:
    empty = Report(server_name="example.org", started_at=0, finished_at=1, checked={"rooms": 3})
    assert _table(empty) == ""


def test_new_finding_has_a_sentence_and_a_command() -> None:
    text = _table(report(names=("Chess",)))
    assert "warning: single-controller: Chess club (!room101:example.org)\n" in text
    assert "    Something is wrong with Chess club.\n" in text
    assert text.splitlines()[-1].startswith("example.org: ")


def test_last_line_counts_what_was_checked() -> None:
    checked = {"rooms": 1, "users": 2, "server": 1}
    audit_report = replace(report(names=("Chess",)), checked=checked)
    assert _table(audit_report).endswith("; checked 1 room, 2 users, the server\n")


def test_known_findings_are_counted_and_not_shown() -> None:
    audit_report = report(names=("Chess",))
    text = _table(audit_report)
    known = [item.finding for item in audit_report.findings if not item.new]
    assert f"{len(known)} known before" in text
    assert not any(f"({item.subject.id})" in text for item in known)


def test_solved_crashed_and_skipped_are_reported() -> None:
    text = _table(report(names=("Chess",)))
    assert "solved: ghost-power: Chess (!room201:example.org)\n" in text
    assert "crashed: old-report: Chess: KeyError: Chess\n" in text
    assert "not checked: Chess (!gone:example.org): vanished Chess\n" in text


def test_names_are_escaped_on_the_terminal() -> None:
    text = _table(report(names=HOSTILE))
    assert not any(character in text for character in "\x1b\x00\u202e\r")
