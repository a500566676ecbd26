"""The report as metrics, for the textfile collector of node_exporter.

Write it to a file in the collector's directory (``--output-file``); alert on
``synadmin_audit_new_findings`` and on ``synadmin_audit_finished_timestamp_seconds`` that does not move.

Source: Prometheus, "Exposition formats", text-based format.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO

from synadmin.audit.findings import Finding
from synadmin.audit.report import Report, ServerReport
from synadmin.audit.rules import RULES
from synadmin.text import safe_text

_Labels = Mapping[str, str]
_Sample = tuple[_Labels, float]


def write(report: Report, out: TextIO) -> None:
    """Write the numbers of the report."""
    _write([({"server_name": report.server_name}, report)], out)


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write the numbers of several servers; the label ``server`` has the profile's name."""
    up = [({"server": server.profile}, int(server.report is not None)) for server in servers]
    _metric(out, "up", "Whether the server was audited.", up)
    audited = [
        ({"server": server.profile, "server_name": server.report.server_name}, server.report)
        for server in servers
        if server.report is not None
    ]
    if audited:
        _write(audited, out)


def _write(reports: Sequence[tuple[_Labels, Report]], out: TextIO) -> None:
    def metric(name: str, help_: str, of_report: Callable[[Report], Iterable[_Sample]]) -> None:
        samples = [
            ({**server, **labels}, value) for server, report in reports for labels, value in of_report(report)
        ]
        _metric(out, name, help_, samples)

    metric(
        "findings",
        "Findings, those of the baseline included.",
        lambda report: _by_rule(report, [item.finding for item in report.findings]),
    )
    metric(
        "new_findings",
        "Findings that are not in the baseline.",
        lambda report: _by_rule(report, [item.finding for item in report.findings if item.new]),
    )
    metric(
        "solved_findings",
        "Findings of the baseline that are solved.",
        lambda report: [({}, len(report.solved))],
    )
    metric(
        "checked",
        "What was checked.",
        lambda report: [({"subject": what}, n) for what, n in sorted(report.checked.items())],
    )
    metric("skipped", "What was not checked.", lambda report: [({}, len(report.skipped))])
    metric("rule_errors", "Times a rule has crashed.", lambda report: [({}, len(report.errors))])
    metric(
        "started_timestamp_seconds",
        "When the audit began, in Unix time.",
        lambda report: [({}, report.started_at / 1000)],
    )
    metric(
        "finished_timestamp_seconds",
        "When the audit ended, in Unix time.",
        lambda report: [({}, report.finished_at / 1000)],
    )


def _by_rule(report: Report, findings: Iterable[Finding]) -> list[_Sample]:
    """Count findings by rule and severity, for all rules that ran."""
    found = {(item.finding.rule, str(item.finding.severity)) for item in report.findings}
    without = {error.rule for error in report.errors} | {rule for rule, _ in found}
    # A rule that ran without findings has a 0; a rule that did not run has no line.
    silent = {
        (rule.ID, str(rule.SEVERITY)) for rule in RULES if rule.ID in report.rules and rule.ID not in without
    }
    counted = Counter((finding.rule, str(finding.severity)) for finding in findings)
    return [({"rule": key[0], "severity": key[1]}, counted[key]) for key in sorted(found | silent)]


def _metric(out: TextIO, name: str, help_: str, samples: Iterable[_Sample]) -> None:
    out.write(f"# HELP synadmin_audit_{name} {help_}\n# TYPE synadmin_audit_{name} gauge\n")
    for labels, value in samples:
        written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        out.write(f"synadmin_audit_{name}{{{written}}} {value}\n")


def _escaped(text: str) -> str:
    return safe_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
