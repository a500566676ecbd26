"""The report as Markdown, for an issue, a wiki, or a message.

As in a table, only new findings are shown. Names and reasons come from other users: they are escaped, so that
they contain no markup, no links and no mentions.
"""

import io
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TextIO

from synadmin.audit import rules
from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.report import Report, ServerReport
from synadmin.audit.report.table import summary
from synadmin.columns import time_of
from synadmin.text import safe_text

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#!|~&:@$^=+]|(?<=www)\.)")
_SUMMARIES = {rule.ID: rules.summary(rule) for rule in rules.RULES}
_ORDER = {rule.ID: place for place, rule in enumerate(rules.RULES)}


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    out.write(f"# Audit of {escaped(report.server_name)}\n\n")
    out.write(f"{time_of(report.finished_at)}, {', '.join(report.amounts) or 'nothing'} checked.\n")
    new = [item.finding for item in report.findings if item.new]
    known = len(report.findings) - len(new)
    if not new:
        out.write("\nNothing new was found.\n" if known else "\nNothing was found.\n")
    for severity in reversed(Severity):
        _write_findings(severity, [finding for finding in new if finding.severity is severity], out)
    if known:
        were, are = ("was", "is") if known == 1 else ("were", "are")
        out.write(f"\n{known} more {were} known before, and {are} not shown.\n")
    _write_list("Solved", (f"{code(gone.rule)} {_subject(gone.subject)}" for gone in report.solved), out)
    _write_list(
        "Not checked", (f"{_subject(left.subject)}: {escaped(left.reason)}" for left in report.skipped), out
    )
    _write_list(
        "Rules that crashed",
        (
            f"{code(error.rule)} at {_subject(error.subject)}: {escaped(error.error)}"
            for error in report.errors
        ),
        out,
    )


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write a table of the servers, and the report of each."""
    out.write(f"# Audit of {len(servers)} servers\n\n| server | profile | result |\n|---|---|---|\n")
    for server in servers:
        results = [escaped(server.problem)] if server.problem is not None else []
        if server.report is not None:
            new = [item.finding for item in server.report.findings if item.new]
            results.insert(0, escaped(summary(server.report, new)))
        out.write(f"| {escaped(server.name)} | {code(server.profile)} | {'; '.join(results)} |\n")
    for server in servers:
        if server.report is not None:
            section = io.StringIO()
            write(server.report, section)
            # Only our headings begin with an unescaped number sign: text from servers and users is escaped.
            out.write("\n" + re.sub(r"^#", "##", section.getvalue(), flags=re.MULTILINE))


def escaped(text: str) -> str:
    """Return text escaped for Markdown."""
    return _MARKUP.sub(r"\\\1", safe_text(text))


def code(text: str) -> str:
    """Return text as Markdown code, where only backquotes and a table's line need care."""
    text = safe_text(text).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _write_findings(severity: Severity, findings: Sequence[Finding], out: TextIO) -> None:
    if not findings:
        return
    title = str(severity).capitalize()
    out.write(f"\n## {title}: {len(findings)}\n")
    findings = sorted(findings, key=lambda finding: _ORDER.get(finding.rule, len(_ORDER)))
    for rule, of_rule in groupby(findings, key=lambda finding: finding.rule):
        out.write(
            f"\n### {rule}\n\n{_SUMMARIES.get(rule, '')}\n\n| subject | finding | fix |\n|---|---|---|\n"
        )
        for finding in of_rule:
            fix = code(finding.fix) if finding.fix else ""
            out.write(f"| {_subject(finding.subject)} | {escaped(finding.message)} | {fix} |\n")


def _write_list(title: str, lines: Iterable[str], out: TextIO) -> None:
    items = list(lines)
    if items:
        out.write(f"\n## {title}: {len(items)}\n\n")
        out.writelines(f"- {line}\n" for line in items)


def _subject(subject: Subject) -> str:
    name = f"{escaped(subject.name)} " if subject.name else ""
    return f"{name}{code(subject.id)}"
