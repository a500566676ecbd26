"""``synadmin journal``: what was changed on servers from here."""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from synadmin.cli.confirm import LEAVE_ROOMS, change_options, confirm
from synadmin.cli.exit_codes import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PARTLY,
    EXIT_REFUSED,
    exit_code,
)
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Group, command_words
from synadmin.cli.output import Output, output_options
from synadmin.columns import Column
from synadmin.errors import (
    JournalError,
    NoSuchRunError,
    NotAuthenticatedError,
    RefusedError,
    SettingsError,
    SynadminError,
    UsageError,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from synadmin.client import Synapse
    from synadmin.journal import RunRecord
    from synadmin.journal.store import Store
    from synadmin.recovery.impersonation import Impersonation
    from synadmin.recovery.observer import Observer
    from synadmin.recovery.temporary_changes import Revert, TemporaryChanges
    from synadmin.recovery.undo_levels import UndoPlan

_NEWEST = 100
_RUN_AGAIN = "run its command again; `synadmin journal show` shows what was done"
_HOW_TO_GO_ON = {
    "user create": "`synadmin user show USER` shows whether the account exists. Then run the command again, "
    "with --modify if it does",
    "user password": "run the command again: it sets the password once more",
    "user login": "run the command again, if you still need the token. The journal does not keep tokens",
    "registration-token create": "`synadmin registration-token list` shows whether the token exists. "
    "If it does not, run the command again",
    "registration-token update": "run the command again: it sets the same values",
    "registration-token delete": "`synadmin registration-token list` shows whether the token still exists. "
    "If it does, run the command again",
    "notice send": "run the command again, with the --transaction-id that the run printed if it printed one",
    "room join": "run the command again: who is in the room already stays there",
}
"""What to do where the command line of a run has secrets, or cannot be repeated as it is."""


@click.group(cls=Group)
def journal() -> None:
    """Show, resume and undo the changes of earlier runs.

    The journal has every request that changes something: whose token, what, and the answer. The file is
    $XDG_STATE_HOME/synadmin/journal.sqlite3, or the one that SYNADMIN_JOURNAL names.
    """


@journal.command("list")
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

    The oldest of them comes first.

    A run is ended, running, or broken off: `journal resume` goes on with it.

    \b
    Examples:
        synadmin journal list
        synadmin journal list --limit 0 -o csv
        synadmin journal list --requests -o ndjson
    """
    columns = [
        Column("run", whole=True),
        Column("time", value=_time_to_seconds),
        Column("command"),
        Column("server", shown=False),
        Column("user", shown=False),
        Column("requests", right=True),
        Column("failed", right=True),
        Column("unknown", right=True),
        Column("state"),
    ]
    with _open_journal(invocation) as store:
        if requests:
            entries = store.entries(limit=limit or None)
            output.write(entries, _request_columns(), empty="The journal is empty.")
            return
        runs = [_summary(store.path, run) for run in store.runs(limit or None)]
        output.write(runs, columns, empty="The journal is empty: nothing was changed from here.")


@journal.command()
@click.argument("run", default="last")
@output_options
@pass_invocation
def show(invocation: Invocation, run: str, *, output: Output) -> None:
    """Show the requests of one run.

    The last run is called `last`.

    \b
    Examples:
        synadmin journal show last
        synadmin journal show 20261120T221507-4f2a9c -o json
    """
    with _open_journal(invocation) as store:
        output.write(store.entries(run=_run_of(store, run).run), _request_columns())


@journal.command()
@pass_invocation
def export(invocation: Invocation) -> None:
    """Print the whole journal as JSON, one request a line.

    \b
    Examples:
        synadmin journal export > journal.ndjson
    """
    with _open_journal(invocation) as store:
        Output("ndjson", None).write(store.entries(), _request_columns())


@journal.command()
@click.argument("run")
@change_options
@output_options
@pass_invocation
def resume(invocation: Invocation, run: str, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Continue a run that was interrupted.

    The last run is called `last`. Reverts what the run had changed for a while only. Then runs its command
    again, which does what is still to be done, and nothing twice. You are not asked: you agreed when the run
    began. A run that has ended is not done again.

    \b
    Examples:
        synadmin journal resume last --dry-run
        synadmin journal resume last
        synadmin journal resume 20261120T221507-4f2a9c -o json
    """
    from synadmin.recovery.temporary_changes import abandoned, revert_crashed_runs

    del yes  # nothing is asked
    with _open_journal(invocation) as store:
        record = _run_of(store, run)
        chain = store.chain(record)
    left: Sequence[Revert] = ()
    with invocation.synapse() as synapse:
        _require_ended(invocation, synapse, record)
        if dry_run:
            for earlier, revert in abandoned(synapse, invocation.journal):
                invocation.warn(f"The run {earlier} ended before it could revert this: {revert}")
        else:
            invocation.journal.links["resumes"] = record.run
            left = revert_crashed_runs(synapse, invocation.journal, invocation.warn)
    if left:
        invocation.warn(f"hint: {_open_reverts_hint(left)}.")
    arguments = next((list(one.arguments) for one in chain if one.arguments is not None), None)
    if record.is_finished or arguments == []:
        output.write([], [])
        if not left:
            invocation.say(f"The run {record.run} has ended: there is nothing to do.")
        return EXIT_FAILED if left else EXIT_DONE
    if arguments is None:
        message = f"the run {record.run} ({record.command}) did not note how to go on"
        raise UsageError(message, hint=_HOW_TO_GO_ON.get(record.command or "", _RUN_AGAIN))
    code = _run_command_line(invocation, record.run, arguments, output, dry_run=dry_run)
    if not dry_run and code in {EXIT_DONE, EXIT_REFUSED}:
        invocation.journal.conclude([one.run for one in chain], code)
    return EXIT_FAILED if left and code == EXIT_DONE else code


def _open_reverts_hint(left: "Sequence[Revert]") -> str:
    """Return what to do about temporary changes that are still open."""
    if all(one.token is not None for one in left):
        return (
            "run `synadmin journal resume last` after that time: the journal keeps the token open until then"
        )
    return "`synadmin journal resume last` tries again"


def _run_command_line(
    invocation: Invocation, run: str, arguments: list[str], output: Output, *, dry_run: bool
) -> int:
    """Run a command line as a run of its own, and return its exit code."""
    again = Invocation(
        profile=invocation.profile,
        env_file=invocation.env_file,
        homeserver=invocation.homeserver,
        timeout=invocation.timeout,
        verbose=invocation.verbose,
        quiet=invocation.quiet,
        resumes=run,
    )
    invocation.say(f"Going on: synadmin {shlex.join(arguments)}")
    options = ["-o", output.form]
    if output.names is not None:
        options += ["--columns", ",".join(output.names)]
    if dry_run:
        options.append("--dry-run")
    root = cast("click.Group", click.get_current_context().find_root().command)
    words = command_words(root, arguments)
    command = [*arguments[:words], *options, *arguments[words:]]
    result = EXIT_FAILED
    try:
        code = root.main(command, "synadmin", standalone_mode=False, obj=again)
        result = code if isinstance(code, int) else EXIT_DONE
    except SynadminError as error:
        result = exit_code(error)
        raise
    except KeyboardInterrupt:
        result = EXIT_INTERRUPTED
        raise
    finally:
        again.end(result)
    return result


@journal.command()
@click.argument("run")
@click.option(
    "--allow",
    type=click.Choice(["impersonate", "reactivate"]),
    help="How far it may go: act as other local users for a moment; reactivate deactivated and suspended "
    "accounts for a moment, too.",
)
@LEAVE_ROOMS
@change_options
@output_options
@pass_invocation
def undo(
    invocation: Invocation,
    run: str,
    *,
    allow: str | None,
    leave_rooms: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Restore the power levels that a run has changed.

    The last run that is not an undo is called `last`. The newest change is taken back first, through a user
    who may change the levels. A room is refused if its levels were changed since the run, or if no active
    local user would have control of it afterwards; --leave-rooms allows the latter. Users who joined or
    were invited stay. A run is taken back once.

    \b
    Examples:
        synadmin journal undo last --dry-run
        synadmin journal undo 20261120T221507-4f2a9c --allow impersonate

    Exit codes: 0 all levels are as before that run; 5 nothing can be taken back; 6 some of it.
    """
    from synadmin.power.room import Reach
    from synadmin.recovery import undo_levels
    from synadmin.recovery.observer import Observer
    from synadmin.recovery.temporary_changes import revert_crashed_runs

    with _open_journal(invocation) as store:
        record = _run_to_undo(store, run)
        entries = list(store.entries(run=record.run))
        is_clean = not store.has_open_reverts(record.run)
        later = [entry for one in store.undone_by(record.run) for entry in store.entries(run=one.run)]
    run = record.run
    if is_clean and not undo_levels.noted(entries):
        return _nothing_to_undo(invocation, run, entries, output)
    with invocation.synapse() as synapse:
        _require_ended(invocation, synapse, record)
        if not dry_run:
            # Before looking: what a crash has left may be in the way.
            revert_crashed_runs(synapse, invocation.journal, invocation.warn)
        elif record.ended is None:
            invocation.say(
                f"The run {run} broke off: `synadmin journal resume {run} --dry-run` shows the rest."
            )
        if not undo_levels.noted(entries):
            return _nothing_to_undo(invocation, run, entries, output)
        observer = Observer(synapse)
        reach = Reach[(allow or "api").upper()]
        planned = undo_levels.plan_all(observer, entries, later, allow=reach, leave_rooms=leave_rooms)
        needed = any(one.plans or one.impossible for one in planned)
        if needed and (output.for_people or not yes):
            invocation.warn("\n".join(_undo_text(one) for one in planned))
        for other in undo_levels.others(entries):
            invocation.say(f"stays as it is: {other}")
        if dry_run or not any(one.plans for one in planned):
            output.write([_undo_record(one, "planned") for one in planned], _undo_columns())
            _say_unchanged(invocation, needed=needed, dry_run=dry_run)
            return _undo_code(planned)
        confirm(invocation, "Put these levels back?", yes=yes)
        again = ["journal", "undo", run, "--yes"]
        again += ["--allow", allow] if allow else []
        invocation.journal.arguments = [*again, "--leave-rooms"] if leave_rooms else again
        invocation.journal.links["undoes"] = run
        records = _undo_all(invocation, synapse, observer, planned)
        output.write(records, _undo_columns())
    if record.ended is None:
        invocation.journal.conclude([run], EXIT_REFUSED)
    failed = any(one["outcome"] == "failed" for one in records)
    return EXIT_FAILED if failed else _undo_code(planned)


def _say_unchanged(invocation: Invocation, *, needed: bool, dry_run: bool) -> None:
    if not needed:
        invocation.say("There is nothing to undo: the levels are as they were before that run.")
    elif dry_run:
        invocation.say("Nothing was changed: --dry-run.")


def _undo_all(
    invocation: Invocation, synapse: "Synapse", observer: "Observer", planned: "Sequence[UndoPlan]"
) -> list[dict[str, Any]]:
    from synadmin.recovery.impersonation import Impersonation
    from synadmin.recovery.temporary_changes import TemporaryChanges

    with (
        Impersonation(synapse, invocation.warn) as sessions,
        TemporaryChanges(synapse, sessions, invocation.journal, invocation.warn) as temporary,
    ):
        return [_undo_room(one, observer, sessions, temporary) for one in planned]


def _nothing_to_undo(invocation: Invocation, run: str, entries: list[dict[str, Any]], output: Output) -> int:
    from synadmin.recovery import undo_levels

    if next(undo_levels.others(entries), None) is not None:
        message = f"the run {run} has changed no power levels: `journal undo` takes back nothing else"
        raise RefusedError(message, hint=f"`synadmin journal show {run}` shows what it has changed")
    output.write([], _undo_columns())
    invocation.say(f"There is nothing to undo in the run {run}.")
    return EXIT_DONE


def _open_journal(invocation: Invocation) -> "AbstractContextManager[Store]":
    from synadmin.journal import reading

    return reading(invocation.settings.journal, warn=invocation.say)


def _run_of(store: "Store", run: str) -> "RunRecord":
    """Return a run.

    Raises:
        NoSuchRunError: the journal has none of that name.
    """
    record = store.run(run)
    if record is None:
        message = f"the journal has no run {run!a}"
        raise NoSuchRunError(message, hint="`synadmin journal list` shows those it has")
    return record


def _run_to_undo(store: "Store", run: str) -> "RunRecord":
    """Return the run that is to be taken back.

    Raises:
        NoSuchRunError: the journal has none of that name.
        RefusedError: it was taken back already, or is itself an undo.
    """
    record = _run_of(store, run)
    if record.undoes is not None and run != "last":
        message = f"the run {record.run} took back the run {record.undoes}, and is not taken back itself"
        raise RefusedError(message, hint="run the first command again: `synadmin journal show` shows it")
    record = _run_of(store, record.undoes) if record.undoes is not None else record
    done = next((one for one in store.undone_by(record.run) if one.code == EXIT_DONE), None)
    if done is not None:
        message = f"the run {record.run} was taken back already, by the run {done.run}"
        raise RefusedError(message, hint="`synadmin journal list` shows other runs")
    return record


def _require_ended(invocation: Invocation, synapse: "Synapse", record: "RunRecord") -> None:
    """Make sure that a run was on this server, and is over."""
    here, there = synapse.transport.homeserver, record.server
    if here != there:
        message = f"the run {record.run} was on {there}, and {here} is configured"
        raise SettingsError(message, hint=f"--profile, or --homeserver {there}, chooses it")
    if invocation.journal.is_alive(record.run):
        message = f"the run {record.run} is still running"
        raise RefusedError(message, hint="wait until it has ended, or end it with Ctrl-C")


def _undo_room(
    one: "UndoPlan",
    observer: "Observer",
    sessions: "Impersonation",
    temporary: "TemporaryChanges",
) -> dict[str, Any]:
    from synadmin.recovery import change_levels

    try:
        for planned in one.plans:
            change_levels.carry_out(observer, sessions, temporary, planned)
    except (JournalError, NotAuthenticatedError):
        raise
    except SynadminError as error:
        return {**_undo_record(one, "done"), "outcome": "failed", "message": str(error)}
    return _undo_record(one, "done")


def _undo_text(one: "UndoPlan") -> str:
    from synadmin.power.level_changes import changes

    lines: list[str] = [one.noted.room_id]
    for planned in one.plans:
        lines += [f"  {change.words}" for change in changes(planned.view, planned.edit)]
        lines += [f"    {planned.author.words}"] if planned.author is not None else []
    lines += [f"  cannot: {words}" for words in one.impossible]
    if not one.plans and not one.impossible:
        lines.append("  is so already")
    return "\n".join(lines)


def _undo_record(one: "UndoPlan", outcome: str) -> dict[str, Any]:
    from synadmin.power.level_changes import changes
    from synadmin.power.levels import format_level

    if one.impossible:
        outcome = "partly" if one.plans else "refused"
    elif not one.plans:
        outcome = "done"
    messages = {
        "planned": "The levels can be put back as they were.",
        "done": "The levels are as they were." if one.plans else "The levels are as they were already.",
    }
    return {
        "room_id": one.noted.room_id,
        "outcome": outcome,
        "reason": one.reason,
        "message": "; ".join(one.impossible) or messages[outcome],
        "changes": [
            {"what": change.what, "before": format_level(change.before), "after": format_level(change.after)}
            for planned in one.plans
            for change in changes(planned.view, planned.edit)
        ],
        "as": [planned.author.user for planned in one.plans if planned.author is not None],
    }


def _undo_code(planned: "Sequence[UndoPlan]") -> int:
    if not any(one.impossible for one in planned):
        return EXIT_DONE
    return EXIT_PARTLY if any(one.plans or not one.impossible for one in planned) else EXIT_REFUSED


def _undo_columns() -> list[Any]:
    return [Column("room_id", title="room", whole=True), Column("outcome"), Column("message")]


def _time_to_seconds(line: Mapping[str, Any]) -> object:
    time = line.get("time")
    return f"{time[:19]}Z" if isinstance(time, str) else None


def _summary(path: "Path", run: "RunRecord") -> dict[str, Any]:
    from synadmin.journal import is_alive

    state = "ended" if run.ended is not None else "running" if is_alive(path, run.run) else "broken off"
    names = ("run", "time", "command", "server", "user", "requests", "failed", "unknown")
    return {**{name: getattr(run, name) for name in names}, "state": state}


def _request_columns() -> list[Any]:
    from synadmin.tables import as_json

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
