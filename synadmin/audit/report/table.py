"""The report for people, on a terminal or in the mail that cron sends: nothing at all where nothing is new.

A finding is a sentence and a command, which no column is wide enough for; so each has lines of its own.
"""

from collections.abc import Iterator
from typing import TextIO

from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.report import Report
from synadmin.text import safe_text


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    new = [one.finding for one in report.findings if one.new]
    if new or report.solved or report.errors:
        out.write("".join(f"{safe_text(line)}\n" for line in _lines(report, new)))


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
    """Return the numbers in a line."""
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
    """Return what people call a subject, and its id."""
    return subject.id if subject.name is None else f"{subject.name} ({subject.id})"


def _plural(word: str, number: int) -> str:
    return word if number == 1 or word == "info" else f"{word}s"
