"""The report as metrics."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from synadmin.audit.report import Report, render
from synadmin.audit.rules import RULES
from tests.unit.audit.report.sample import HOSTILE, report
from tests.unit.audit.rules.case import NOW

PROMTOOL = shutil.which("promtool")


def metrics(audit_report: Report) -> str:
    out = io.StringIO()
    render("prometheus", audit_report, out)
    return out.getvalue()


def samples(audit_report: Report, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels, without the server name."""
    return {
        tuple(value for label, value in sample.labels.items() if label != "server_name"): sample.value
        for family in text_string_to_metric_families(metrics(audit_report))
        for sample in family.samples
        if sample.name == f"synadmin_audit_{name}"
    }


def test_metrics_count_findings_by_rule_and_severity() -> None:
    counts = samples(report(names=("Chess",)), "findings")
    assert counts["single-controller", "warning"] == 2
    assert counts["departed-power", "info"] == 2
    assert samples(report(names=("Chess",)), "new_findings")["single-controller", "warning"] == 2
    assert samples(report(names=("Chess",)), "new_findings")["no-local-control", "error"] == 0


def test_rule_without_findings_is_zero_and_a_crashed_one_is_missing() -> None:
    counts = samples(report(names=()), "findings")
    assert counts["ghost-power", "error"] == 0
    assert not [key for key in counts if key[0] == "old-report"]
    assert {key[0] for key in counts} == {rule.ID for rule in RULES} - {"old-report"}


def test_times_are_in_seconds() -> None:
    assert samples(report(), "finished_timestamp_seconds") == {(): NOW / 1000}
    assert samples(report(), "started_timestamp_seconds") == {(): NOW / 1000 - 2.5}


def test_skipped_parts_are_counted() -> None:
    assert samples(report(), "skipped") == {(): 1}
    assert samples(report(), "rule_errors") == {(): 1}
    assert samples(report(), "solved_findings") == {(): 1}
    assert samples(report(), "checked") == {("rooms",): 120, ("users",): 37}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_stays_within_its_label(name: str) -> None:
    hostile = Report(server_name=f'{name}"}} 1\n\\', started_at=NOW, finished_at=NOW)
    families = list(text_string_to_metric_families(metrics(hostile)))
    assert all(sample.labels["server_name"] for family in families for sample in family.samples)
    assert {sample.name for family in families for sample in family.samples} == {
        f"synadmin_audit_{metric}"
        for metric in (
            "solved_findings",
            "skipped",
            "rule_errors",
            "started_timestamp_seconds",
            "finished_timestamp_seconds",
        )
    }


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian's package prometheus)")
@pytest.mark.parametrize("audit_report", [report(), report(names=(), baseline=False)], ids=["large", "small"])
def test_promtool_accepts_the_metrics(audit_report: Report) -> None:
    assert PROMTOOL is not None
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=metrics(audit_report),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
