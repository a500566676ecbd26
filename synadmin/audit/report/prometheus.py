"""The report as metrics, for the textfile collector of node_exporter.

Write it to a file in the collector's directory (``--output-file``); alert on
``synadmin_audit_new_findings`` and on ``synadmin_audit_finished_timestamp_seconds`` that does not move.

Source: Prometheus, "Exposition formats", text-based format.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TextIO

from synadmin.audit.report import Report
from synadmin.audit.rules import RULES
from synadmin.text import safe_text

_Sample = tuple[Mapping[str, str], float]


def write(report: Report, out: TextIO) -> None:
    """Write the numbers of the report."""
    found = Counter((item.finding.rule, str(item.finding.severity)) for item in report.findings)
    new = Counter((item.finding.rule, str(item.finding.severity)) for item in report.findings if item.new)
    crashed = {error.rule for error in report.errors}
    # A rule that ran and found nothing has a 0: a rule that did not run has no line.
    silent = {(rule.ID, str(rule.SEVERITY)) for rule in RULES if rule.ID in report.rules}
    shown = sorted({*found, *(key for key in silent if key[0] not in crashed | {rule for rule, _ in found})})

    def metric(name: str, help_: str, samples: Iterable[_Sample]) -> None:
        out.write(f"# HELP synadmin_audit_{name} {help_}\n# TYPE synadmin_audit_{name} gauge\n")
        for labels, value in samples:
            every = {"server_name": report.server_name, **labels}
            written = ",".join(f'{label}="{_escaped(text)}"' for label, text in every.items())
            out.write(f"synadmin_audit_{name}{{{written}}} {value}\n")

    def by_rule(counted: Mapping[tuple[str, str], int]) -> list[_Sample]:
        return [({"rule": key[0], "severity": key[1]}, counted.get(key, 0)) for key in shown]

    metric("findings", "Findings, those of the baseline included.", by_rule(found))
    metric("new_findings", "Findings that are not in the baseline.", by_rule(new))
    metric("solved_findings", "Findings of the baseline that are solved.", [({}, len(report.solved))])
    metric(
        "checked",
        "What was checked.",
        [({"subject": what}, n) for what, n in sorted(report.checked.items())],
    )
    metric("skipped", "What was not checked.", [({}, len(report.skipped))])
    metric("rule_errors", "Times a rule has crashed.", [({}, len(report.errors))])
    metric(
        "started_timestamp_seconds", "When the audit began, in Unix time.", [({}, report.started_at / 1000)]
    )
    metric(
        "finished_timestamp_seconds", "When the audit ended, in Unix time.", [({}, report.finished_at / 1000)]
    )


def _escaped(text: str) -> str:
    return safe_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
