from __future__ import annotations

import io
from dataclasses import replace

from synadmin.audit.report import Report, render
from tests.unit.audit.report.sample import HOSTILE, report


def _table(of: Report) -> str:
    out = io.StringIO()
    render("table", of, out)
    return out.getvalue()


def test_nothing_new_and_nothing_solved_is_nothing_at_all() -> None:
    empty = Report(server_name="example.org", started_at=0, finished_at=1, checked={"rooms": 3})
    assert _table(empty) == ""


def test_each_new_finding_has_its_sentence_and_its_command() -> None:
    text = _table(report(names=("Chess",)))
    assert "warning: single-controller: Chess club (!room101:example.org)\n" in text
    assert "    Something is wrong with Chess club.\n" in text
    assert text.splitlines()[-1].startswith("example.org: ")


def test_what_was_checked_is_counted_in_the_last_line() -> None:
    checked = {"rooms": 1, "users": 2, "server": 1}
    of = replace(report(names=("Chess",)), checked=checked)
    assert _table(of).endswith("; checked 1 room, 2 users, the server\n")


def test_what_was_known_before_is_counted_and_not_shown() -> None:
    of = report(names=("Chess",))
    text = _table(of)
    known = [one.finding for one in of.findings if not one.new]
    assert f"{len(known)} known before" in text
    assert not any(f"({one.subject.id})" in text for one in known)


def test_what_was_solved_crashed_or_skipped_is_told() -> None:
    text = _table(report(names=("Chess",)))
    assert "solved: ghost-power: Chess (!room201:example.org)\n" in text
    assert "crashed: old-report: Chess: KeyError: Chess\n" in text
    assert "not checked: Chess (!gone:example.org): vanished Chess\n" in text


def test_no_name_reaches_the_terminal_raw() -> None:
    text = _table(report(names=HOSTILE))
    assert not any(character in text for character in "\x1b\x00\u202e\r")
