"""The new findings, one JSON object a line."""

from collections.abc import Sequence
from typing import TextIO

from synadmin.audit.report import Report, ServerReport
from synadmin.audit.report.json import findings_of_all, new_findings
from synadmin.tables import as_json


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    out.writelines(as_json(record) + "\n" for record in new_findings(report))


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write the findings of several servers, and a line for each server that has a problem."""
    out.writelines(as_json(record) + "\n" for record in findings_of_all(servers))
