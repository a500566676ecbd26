"""The new findings as a table for spreadsheets."""

from collections.abc import Sequence
from typing import TextIO

from synadmin import tables
from synadmin.audit.report import Report, ServerReport
from synadmin.audit.report.json import findings_of_all, new_findings
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
COLUMNS_OF_ALL = (Column("profile", whole=True), Column("server_name", whole=True), *COLUMNS, Column("error"))


def write(report: Report, out: TextIO) -> None:
    """Write the report."""
    tables.write(new_findings(report), COLUMNS, "csv", out)


def write_all(servers: Sequence[ServerReport], out: TextIO) -> None:
    """Write the findings of several servers, and a line for each server that has a problem."""
    tables.write(findings_of_all(servers), COLUMNS_OF_ALL, "csv", out)
