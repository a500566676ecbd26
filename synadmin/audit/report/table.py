"""The report for people, on a terminal or in the mail that cron sends. It is empty if nothing is new.

A finding is a sentence and a command, too long for a column; so each is on a separate line.
"""

import io
from collections.abc import Iterator, Sequence
from typing import TextIO

from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.report import Report, ServerReport
from synadmin.text import safe_text


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    new = [item.finding for item in report.findings if item.new]
    if new or report.solved or report.errors:
        out.write("".join(f"{safe_text(line)}\n" for line in _lines(report, new)))


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write a section for each server with something new or a problem."""
    out.write("\n".join(section for section in map(_section, servers) if section))


def _section(server: ServerReport) -> str:
    """Return the section of a server; empty where nothing is new and everything was checked."""
    text = io.StringIO()
    if server.report is not None:
        write(server.report, text)
    if server.problem is not None:
        text.write(f"{safe_text(server.problem)}\n")
    body = text.getvalue()
    return f"{safe_text(server.name)} (profile {safe_text(server.profile)})\n\n{body}" if body else ""


def summary_of_all(servers: Sequence[ServerReport]) -> str:
    """Return how many servers were audited, in a sentence."""
    parts = [f"{sum(server.error is None for server in servers)} audited"]
    for problem, has_report in (("not complete", True), ("not audited", False)):
        names = [
            server.profile
            for server in servers
            if server.error is not None and (server.report is not None) is has_report
        ]
        if names:
            parts.append(f"{len(names)} {problem} ({safe_text(', '.join(names))})")
    return f"{len(servers)} {_plural('server', len(servers))}: {', '.join(parts)}."


def _lines(report: Report, new: list[Finding]) -> Iterator[str]:
    for finding in new:
        yield f"{finding.severity}: {finding.rule}: {named(finding.subject)}"
        yield f"    {finding.message}"
        if finding.fix is not None:
            yield f"    {finding.fix}"
        yield ""
    for finding in report.solved:
        yield f"solved: {finding.rule}: {named(finding.subject)}"
    for error in report.errors:
        yield f"crashed: {error.rule}: {named(error.subject)}: {error.error}"
    for skipped in report.skipped:
        yield f"not checked: {named(skipped.subject)}: {skipped.reason}"
    if report.solved or report.errors or report.skipped:
        yield ""
    yield f"{report.server_name}: {summary(report, new)}"


def summary(report: Report, new: list[Finding]) -> str:
    """Return the numbers of a report in a line."""
    parts = []
    for severity in reversed(Severity):
        number = sum(finding.severity is severity for finding in new)
        if number:
            parts.append(f"{number} {_plural(str(severity), number)}")
    known = len(report.findings) - len(new)
    if known:
        parts.append(f"{known} known before")
    if report.solved:
        parts.append(f"{len(report.solved)} solved")
    return f"{', '.join(parts) or 'nothing'}; checked {', '.join(report.amounts) or 'nothing'}"


def named(subject: Subject) -> str:
    """Return the name of a subject, if it has one, and its id."""
    return subject.id if subject.name is None else f"{subject.name} ({subject.id})"


def _plural(word: str, number: int) -> str:
    return word if number == 1 or word == "info" else f"{word}s"
