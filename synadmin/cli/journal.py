"""``synadmin journal``: what was changed on servers from here."""

from collections.abc import Mapping
from typing import Any

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Group
from synadmin.cli.output import Output, output_options
from synadmin.errors import UsageError


@click.group(cls=Group)
def journal() -> None:
    """What was changed on servers from here: every request, whose token, what the answer was.

    The file is $XDG_STATE_HOME/synadmin/journal.jsonl, or what SYNADMIN_JOURNAL names.
    """


@journal.command("list")
@click.option("--requests", is_flag=True, help="A line for each request instead of one for each run.")
@output_options
@pass_invocation
def list_(invocation: Invocation, *, requests: bool, output: Output) -> None:
    """List the runs that changed something, oldest first.

    \b
    Examples:
        synadmin journal list
        synadmin journal list --requests -o ndjson
    """
    from synadmin.journal import entries
    from synadmin.render import Column

    lines = entries(invocation.settings.journal)
    if requests:
        output.write(lines, _request_columns(), empty="The journal is empty.")
        return
    by_run: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_run.setdefault(str(line.get("run")), []).append(line)
    runs = (_summary(run, of_run) for run, of_run in by_run.items())
    columns = [
        Column("run", whole=True),
        Column("time", value=_to_the_second),
        Column("command"),
        Column("server", shown=False),
        Column("user", shown=False),
        Column("requests", right=True),
        Column("failed", right=True),
        Column("unknown", right=True),
    ]
    output.write(runs, columns, empty="The journal is empty: nothing was changed from here.")


@journal.command()
@click.argument("run", default="last")
@output_options
@pass_invocation
def show(invocation: Invocation, run: str, *, output: Output) -> None:
    """Show the requests of one run. The last run is called `last`.

    \b
    Examples:
        synadmin journal show last
        synadmin journal show 20261120T221507-4f2a9c -o json
    """
    from synadmin.journal import entries

    lines = list(entries(invocation.settings.journal))
    if run == "last" and lines:
        run = str(lines[-1].get("run"))
    chosen = [line for line in lines if line.get("run") == run]
    if not chosen:
        message = f"the journal has no run {run!a}"
        raise UsageError(message, hint="`synadmin journal list` shows those it has")
    output.write(chosen, _request_columns())


def _to_the_second(line: Mapping[str, Any]) -> object:
    time = line.get("time")
    return f"{time[:19]}Z" if isinstance(time, str) else None


def _summary(run: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    first = lines[0]
    return {
        "run": run,
        "time": first.get("time"),
        "command": first.get("command"),
        "server": first.get("server"),
        "user": first.get("user"),
        "requests": len(lines),
        "failed": sum(1 for line in lines if line.get("errcode") is not None),
        "unknown": sum(1 for line in lines if line.get("status") is None and line.get("errcode") is None),
    }


def _request_columns() -> list[Any]:
    from synadmin.render import Column, as_json

    def answer(line: Mapping[str, Any]) -> object:
        status, errcode = line.get("status"), line.get("errcode")
        if status is None:
            return errcode or "unknown"
        return f"{status} {errcode}" if errcode else str(status)

    def body(line: Mapping[str, Any]) -> object:
        return as_json(line["body"]) if line.get("body") else None

    return [
        Column("time"),
        Column("run", shown=False),
        Column("id", shown=False),
        Column("command", shown=False),
        Column("server", shown=False),
        Column("user"),
        Column("on_behalf_of", title="on behalf of"),
        Column("method"),
        Column("path"),
        Column("body", value=body),
        Column("status", title="answer", value=answer),
    ]
