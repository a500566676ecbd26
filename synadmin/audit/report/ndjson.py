"""The new findings, one JSON object a line."""

from typing import TextIO

from synadmin.audit.report import Report
from synadmin.audit.report.json import new_findings
from synadmin.tables import as_json


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    out.writelines(as_json(record) + "\n" for record in new_findings(report))
