"""Print the report of an audit."""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from synadmin.cli import colors
from synadmin.cli.invocation import Invocation, is_terminal, wrapped
from synadmin.cli.output import Output
from synadmin.columns import FORMATS, REPORT_FORMATS
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from synadmin.audit.findings import Finding
    from synadmin.audit.report import Report, ServerReport
    from synadmin.audit.runner import AuditResult

RECORD_FORMS = tuple(form for form in FORMATS if form in REPORT_FORMATS)
_FIX = "    synadmin "


def output_of(form: str, columns: str | None) -> Output:
    """Return the output for the report.

    Raises:
        UsageError: the format has no columns, or --columns names no column.
    """
    if columns is not None and form not in RECORD_FORMS:
        raise UsageError(f"--columns goes with {', '.join(RECORD_FORMS)}, not with {form}")
    return Output.of(form, columns)


def write(report: "Report | Sequence[ServerReport]", output: Output, file: str | None) -> None:
    """Print the report of one server or of several, or write it to a file."""
    from synadmin.audit.report import render

    if output.names is not None:
        _write_columns(report, output, file)
    elif file is not None:
        text = io.StringIO()
        render(output.form, report, text)
        _write_file(file, text.getvalue())
    elif output.for_people and is_terminal(sys.stdout):
        text = io.StringIO()
        render(output.form, report, text)
        for line in text.getvalue().splitlines():
            # Users copy whole commands, so they are not wrapped.
            colors.echo(line if line.startswith(_FIX) else wrapped(line, sys.stdout))
    else:
        render(output.form, report, sys.stdout)


def line_writer(output: Output) -> "Callable[[Finding], None]":
    """Return a function that prints a new finding at once.

    Raises:
        UsageError: there is no such column.
    """
    from synadmin.audit.report.csv import COLUMNS
    from synadmin.audit.report.json import new_record

    output.chosen(COLUMNS)

    def write_line(finding: "Finding") -> None:
        output.write([new_record(finding)], COLUMNS)
        sys.stdout.flush()

    return write_line


def _write_columns(report: "Report | Sequence[ServerReport]", output: Output, file: str | None) -> None:
    from synadmin.audit.report import Report
    from synadmin.audit.report.csv import COLUMNS, COLUMNS_OF_ALL
    from synadmin.audit.report.json import findings_of_all, new_findings

    columns = COLUMNS if isinstance(report, Report) else COLUMNS_OF_ALL
    records = new_findings(report) if isinstance(report, Report) else findings_of_all(report)
    if file is None:
        output.write(records, columns)
        return
    from synadmin import tables

    text = io.StringIO()
    tables.write(records, output.chosen(columns), output.form, text, all_fields=False)
    _write_file(file, text.getvalue())


def _write_file(file: str, text: str) -> None:
    from synadmin.files import replace_file

    replace_file(Path(file), text, mode=0o644, into_devices=True, setting="--output-file")


def incompleteness(outcome: "AuditResult") -> str:
    """Return a clause about what an incomplete audit has not checked."""
    report = outcome.report
    what = []
    if report.skipped:
        reason = report.skipped[0].reason
        what.append(f"{len(report.skipped)} could not be checked (the first: {reason})")
    if report.errors:
        rules = ", ".join(dict.fromkeys(error.rule for error in report.errors))
        what.append(f"a rule crashed: {rules}")
    return "; ".join(what)


def say_nothing_new(
    invocation: Invocation, reports: "Sequence[Report]", output: Output, *, to_file: bool
) -> None:
    """Print on a terminal that there are no new findings, where nothing else was printed."""
    if not output.for_people or to_file or not is_terminal(sys.stderr):
        return
    findings = [one for report in reports for one in report.findings]
    if not any(one.new for one in findings) and not any(report.solved for report in reports):
        known = len(findings)
        invocation.say(f"no new findings; {known} known before" if known else "no findings")
