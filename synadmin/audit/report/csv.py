"""The new findings as a table for spreadsheets."""

from typing import TextIO

from synadmin import tables
from synadmin.audit.report import Report
from synadmin.audit.report.json import new_findings
from synadmin.columns import Column

COLUMNS = (
    Column("severity"),
    Column("rule", whole=True),
    Column("subject.type", title="about", shown=False),
    Column("subject.id", title="id", whole=True),
    Column("subject.name", title="name"),
    Column("message"),
    Column("fix"),
    Column("details", shown=False),
    Column("new", shown=False),
)
"""The columns of a finding."""


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    tables.write(new_findings(report), COLUMNS, "csv", out)
