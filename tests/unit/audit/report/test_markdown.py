"""The report as Markdown."""

from __future__ import annotations

import io

import pytest
from markdown_it import MarkdownIt

from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.report import Report, Reported, render
from synadmin.audit.report.markdown import code, escaped
from tests.unit.audit.report.sample import HOSTILE, report
from tests.unit.audit.rules.case import NOW


def markdown(audit_report: Report) -> str:
    out = io.StringIO()
    render("markdown", audit_report, out)
    return out.getvalue()


def test_markdown_report_matches_the_example() -> None:
    lost = Finding(
        rule="no-local-control",
        severity=Severity.ERROR,
        subject=Subject("room", "!chess:example.org", "Chess"),
        message="No user of this server controls the room.",
        fix="synadmin room make-admin '!chess:example.org'",
    )
    known = Finding(
        rule="weak-control",
        severity=Severity.WARNING,
        subject=Subject("room", "!b:example.org"),
        message="Weak.",
    )
    found = Report(
        server_name="example.org",
        started_at=NOW,
        finished_at=NOW,
        checked={"rooms": 120, "users": 37},
        findings=[Reported(lost, new=True), Reported(known, new=False)],
        solved=[known],
    )
    assert markdown(found) == (
        "# Audit of example.org\n"
        "\n"
        "2026-11-21T09:30:00Z, 120 rooms, 37 users checked.\n"
        "\n"
        "## Error: 1\n"
        "\n"
        "### no-local-control\n"
        "\n"
        "A room of ours with local members that no local user controls.\n"
        "\n"
        "| subject | finding | fix |\n"
        "|---|---|---|\n"
        "| Chess `!chess:example.org` | No user of this server controls the room. "
        "| `synadmin room make-admin '!chess:example.org'` |\n"
        "\n"
        "1 more was known before, and is not shown.\n"
        "\n"
        "## Solved: 1\n"
        "\n"
        "- `weak-control` `!b:example.org`\n"
    )


def test_empty_report_says_that_nothing_was_found() -> None:
    empty = Report(server_name="example.org", started_at=NOW, finished_at=NOW)
    assert markdown(empty) == (
        "# Audit of example.org\n\n2026-11-21T09:30:00Z, nothing checked.\n\nNothing was found.\n"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_plain_text(name: str) -> None:
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})

    def kinds(room_name: str) -> list[str]:
        tokens = parser.parse(markdown(report(names=(room_name,))))
        inside = (child.type for token in tokens for child in token.children or ())
        return [kind for kind in (*(token.type for token in tokens), *inside) if kind != "text_special"]

    assert kinds(name) == kinds("Chess")


def test_skipped_parts_are_listed() -> None:
    text = markdown(report(names=("Chess",)))
    assert "## Not checked: 1\n\n- Chess `!gone:example.org`: vanished Chess\n" in text
    assert "## Rules that crashed: 1\n\n- `old-report` at `Chess`: KeyError\\: Chess\n" in text


@pytest.mark.parametrize(
    ("text", "written"),
    [("a`b", "`` a`b ``"), ("``", "``` `` ```"), ("a|b", "`a\\|b`"), ("plain", "`plain`")],
)
def test_code_with_backticks_and_bars_is_quoted(text: str, written: str) -> None:
    assert code(text) == written


def test_text_is_escaped() -> None:
    assert escaped("*a* <b> www.x.example") == "\\*a\\* \\<b\\> www\\.x.example"
