"""The report as one JSON object: scripts may rely on its shape, which has a separate version."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TextIO

from synadmin.audit.findings import Finding, Subject
from synadmin.audit.report import Report, ServerReport
from synadmin.columns import time_of
from synadmin.tables import as_json

_VERSION_OF_SEVERAL: Final = 1
_FIELDS: Final = ("rule", "severity", "subject", "message", "fix", "details", "new")


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    out.write(as_json(record(report), indent=2) + "\n")


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write the report of several servers: for each what :func:`write` writes, as ``report``."""
    records = [
        {
            "profile": server.profile,
            "homeserver": server.homeserver,
            "complete": server.error is None,
            "error": server.error,
            "report": None if server.report is None else record(server.report),
        }
        for server in servers
    ]
    out.write(as_json({"version": _VERSION_OF_SEVERAL, "servers": records}, indent=2) + "\n")


def record(report: Report) -> dict[str, Any]:
    """Return the report as JSON; of the findings those that are new."""
    return {
        "version": report.version,
        "server_name": report.server_name,
        "started_at": time_of(report.started_at),
        "finished_at": time_of(report.finished_at),
        "checked": dict(report.checked),
        "skipped": [
            {"subject": _subject(skipped.subject), "reason": skipped.reason} for skipped in report.skipped
        ],
        "findings": list(new_findings(report)),
        "solved": [finding_record(finding) for finding in report.solved],
        "errors": [
            {"rule": failure.rule, "subject": _subject(failure.subject), "error": failure.error}
            for failure in report.errors
        ],
    }


def new_findings(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the findings that are not in the baseline, as records; without a baseline, all of them."""
    for item in report.findings:
        if item.new:
            yield new_record(item.finding)


def new_record(finding: Finding) -> dict[str, Any]:
    """Return a finding that is not in the baseline as a record."""
    return {**finding_record(finding), "new": True}


def findings_of_all(servers: Sequence[ServerReport]) -> Iterator[dict[str, Any]]:
    """Yield the new findings of several servers, and a record with ``error`` for each that has a problem."""
    for server in servers:
        of_server = {
            "profile": server.profile,
            "server_name": None if server.report is None else server.report.server_name,
        }
        if server.report is not None:
            for finding in new_findings(server.report):
                yield {**of_server, **finding, "error": None}
        if server.problem is not None:
            yield {**of_server, **dict.fromkeys(_FIELDS), "error": server.problem}


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON."""
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "subject": _subject(finding.subject),
        "message": finding.message,
        "fix": finding.fix,
        "details": dict(finding.details),
    }


def _subject(subject: Subject) -> dict[str, Any]:
    return {"type": subject.type, "id": subject.id, "name": subject.name}
