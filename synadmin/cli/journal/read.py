"""``synadmin journal list|show|export``: show the changes of earlier runs."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.journal.runs import find_run, open_journal
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.columns import Column, relative_time
from synadmin.text import command

if TYPE_CHECKING:
    from synadmin.journal import RunRecord
    from synadmin.journal.store import Store

_NEWEST = 100
_SIGILS = frozenset("!#@")


@click.command("list", cls=Command)
@click.option("--requests", is_flag=True, help="Show a line for each request instead of one for each run.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_NEWEST,
    show_default=True,
    metavar="N",
    help="Show the newest N; 0 shows all.",
)
@output_options
@pass_invocation
def list_(invocation: Invocation, *, requests: bool, limit: int, output: Output) -> None:
    """List the newest runs that changed something.

    The oldest of these runs is the first line.

    A run is ended, running or interrupted. `journal resume` continues an interrupted run.

    \b
    Examples:
        synadmin journal list
        synadmin journal list --limit 0 -o csv
        synadmin journal list --requests -o ndjson
    """
    with open_journal(invocation) as store:
        if requests:
            entries = store.entries(limit=limit or None)
            output.write(entries, _request_columns(output), empty="The journal is empty.")
            return
        runs = [_summary(store, run) for run in store.runs(limit or None)]
        several_servers = len({run["server"] for run in runs}) > 1
        columns = _run_columns(output, several_servers=several_servers)
        output.write(runs, columns, empty="The journal is empty: no changes were made from this machine.")


@click.command(cls=Command)
@click.argument("run", default="last")
@output_options
@pass_invocation
def show(invocation: Invocation, run: str, *, output: Output) -> None:
    """Show the requests of one run.

    The last run is called `last`. For other runs, the end of the name is enough.

    \b
    Examples:
        synadmin journal show last
        synadmin journal show 4f2a9c -o json
    """
    with open_journal(invocation) as store:
        name = find_run(store, run).run
        details = command("journal", "show", _short_name(name), "-o", "ndjson")
        output.write(
            store.entries(run=name), _request_columns(output), hint=f"`{details}` shows paths and bodies"
        )


@click.command(cls=Command)
@pass_invocation
def export(invocation: Invocation) -> None:
    """Print the whole journal as JSON, one request a line.

    \b
    Examples:
        synadmin journal export > journal.ndjson
    """
    with open_journal(invocation) as store:
        Output("ndjson", None).write(store.entries(), ())


def _run_columns(output: Output, *, several_servers: bool) -> list[Column]:
    """Return the columns. For people, the target is in the column of the command, to save space."""
    in_words, on_terminal = output.in_words, output.on_terminal

    def command(run: Mapping[str, Any]) -> str:
        server = str(run["server"]).partition("://")[2]
        at_server = f" on {server}" if on_terminal and several_servers else ""
        return f"{run['command'] or '-'} {_target(run) or ''}".rstrip() + at_server

    return [
        Column("run", whole=True, terminal=_short_name),
        Column("command", value=command if in_words else None),
        Column("target", value=_target, shown=not in_words),
        Column("state"),
        Column("server", shown=several_servers and not on_terminal),
        Column("failed", right=True, shown=False),
        # A full name of a run already begins with the time.
        Column("time", value=_time_to_seconds, shown=on_terminal, terminal=relative_time),
        Column("user", shown=False),
        Column("requests", right=True, shown=False),
        Column("unknown", right=True, shown=False),
    ]


def _target(run: Mapping[str, Any]) -> str | None:
    """Return the room or user that a run was about; of several, the first one and the number of others."""
    targets = run["targets"]
    if not targets:
        return None
    return f"{targets[0]} +{len(targets) - 1}" if len(targets) > 1 else str(targets[0])


def _short_name(run: object) -> str:
    """Return the end of a run's name, which `journal show` and other commands accept."""
    return str(run).rpartition("-")[2]


def _time_to_seconds(line: Mapping[str, Any]) -> object:
    time = line.get("time")
    return f"{time[:19]}Z" if isinstance(time, str) else None


def _summary(store: "Store", run: "RunRecord") -> dict[str, Any]:
    from synadmin.journal import is_alive

    is_running = run.ended is None and is_alive(store.path, run.run)
    state = "running" if is_running else "interrupted" if run.ended is None else "ended"
    names = ("run", "time", "command", "server", "user", "requests", "failed", "unknown")
    return {
        **{name: getattr(run, name) for name in names},
        "targets": _named_targets(run.arguments or ()) or _changed_targets(store, run),
        "state": state,
    }


def _named_targets(arguments: Sequence[str]) -> list[str]:
    """Return the rooms and users before the options of a command line; else the first one after them."""
    ids = [word for word in arguments if word[:1] in _SIGILS]
    before = list(takewhile(lambda word: not word.startswith("-"), arguments))
    return [word for word in before if word[:1] in _SIGILS] or ids[:1]


def _changed_targets(store: "Store", run: "RunRecord") -> list[str]:
    """Return the rooms or users that a run changed: the kind that its command is about.

    A finished run has no command line any more.
    """
    from synadmin.journal.report import target_of

    # Temporary changes, such as a short-lived token of another user, are not the purpose of the run.
    entries = (entry for entry in store.entries(run=run.run) if not entry.keys() & {"restoring", "restores"})
    names = dict.fromkeys(map(target_of, entries))
    noun = "room" if (run.command or "").startswith("room ") else "user"
    kinds = {kind for kind, _ in names} - {"server"}
    wanted = {noun} & kinds or kinds
    return [target for kind, target in names if kind in wanted]


def _request_columns(output: Output) -> list[Column]:
    """Return the columns; on a terminal, there is an action in words in place of path and body."""
    from synadmin.journal.report import action_of, target_of
    from synadmin.tables import as_json

    on_terminal = output.on_terminal

    def answer(line: Mapping[str, Any]) -> object:
        status, errcode = line.get("status"), line.get("errcode")
        if status is None:
            return errcode or "unknown"
        return f"{status} {errcode}" if errcode else str(status)

    def body(line: Mapping[str, Any]) -> object:
        return as_json(line["body"]) if line.get("body") else None

    # The requests of a run have nearly the same time: on a terminal the time is a spare, last column.
    time = Column("time", terminal=relative_time, spare=on_terminal)
    columns = [
        Column("action", value=action_of, shown=on_terminal, breakable=True),
        Column("target", value=lambda line: target_of(line)[1], shown=on_terminal, whole=True),
        Column("run", shown=False),
        Column("id", shown=False),
        Column("command", shown=False),
        Column("server", shown=False),
        Column("user", shown=not on_terminal),
        Column("on_behalf_of", title="on behalf of", spare=True),
        Column("method", shown=not on_terminal),
        Column("path", shown=not on_terminal),
        Column("body", value=body, shown=not on_terminal),
        Column("status", title="answer", value=answer),
    ]
    return [*columns, time] if on_terminal else [time, *columns]
