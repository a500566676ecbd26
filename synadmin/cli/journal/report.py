"""``synadmin journal report``: who changed which rooms and accounts, and why."""

import html
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.journal.runs import open_journal
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME
from synadmin.columns import FORMATS, Column, relative_time
from synadmin.errors import UsageError
from synadmin.text import safe_text

_HTML = "html"
_COLUMNS = (
    Column("time", terminal=relative_time),
    Column("user", whole=True, spare=True),
    Column("command"),
    Column("target", whole=True),
    Column("actions", breakable=True, spare=True),
    Column("reason", breakable=True, spare=True),
    Column("result"),
    Column("acted_as", title="acted as", spare=True),
    Column("run", shown=False),
    Column("kind", shown=False),
    Column("server", shown=False),
    Column("requests", right=True, shown=False),
    Column("refused", right=True, shown=False),
    Column("unknown", right=True, shown=False),
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:14px/1.4 sans-serif;margin:2em;color:#222}table{border-collapse:collapse}"
    "th,td{border:1px solid #bbb;padding:.3em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#eee}@media print{body{margin:0}}"
)


@click.command(cls=Command)
@click.option(
    "--since", type=PAST_TIME, metavar="DATE", help="Only changes made then or later: 30d, 2026-01-31."
)
@partial(output_options, formats=(*FORMATS[:-1], _HTML, FORMATS[-1]))
@pass_invocation
def report(invocation: Invocation, *, since: int | None, output: Output) -> None:
    """Report who changed which rooms and accounts, and why.

    Shows a line for each room and account of each run: time, token's owner, command, actions, the reason from
    --reason, the result, and the local users that the run acted as. It reads only the journal, and changes
    nothing.

    \b
    Examples:
        synadmin journal report --since 30d
        synadmin journal report --since 2026-01-01 -o csv > changes.csv
        synadmin journal report --since 2026-01-01 -o html > changes.html
    """
    from synadmin.journal.report import rows

    start = "" if since is None else _iso(since)
    with open_journal(invocation) as store:
        records = [row.as_record() for row in rows(store.entries(), since=start)]
    if output.form != _HTML:
        output.write(records, _COLUMNS, empty="The journal has no changes of this time.")
        return
    if output.names is not None:
        raise UsageError("--columns goes with table, json, ndjson and csv, not with html")
    click.echo(_page(records, start))


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _page(records: Iterable[Mapping[str, Any]], since: str) -> str:
    """Return the report as an HTML page without scripts and external files."""
    shown = [column for column in _COLUMNS if column.shown]
    head = "".join(f"<th>{html.escape(column.title or column.name)}</th>" for column in shown)
    lines = "\n".join(
        f"<tr>{''.join(f'<td>{_cell(record[column.name])}</td>' for column in shown)}</tr>"
        for record in records
    )
    heading = f"Changes since {since[:10]}" if since else "All changes"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{heading}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{heading}</h1>\n<table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table>\n"
        "</body></html>"
    )


def _cell(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return html.escape(safe_text(text))
