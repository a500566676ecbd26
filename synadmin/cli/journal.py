"""``synadmin journal``: what was changed on servers from here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.app import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_REFUSED, app
from synadmin.cli.confirm import change_options, confirm
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Group
from synadmin.cli.output import Output, output_options
from synadmin.errors import NoSuchRunError, RefusedError, SettingsError, SynadminError, UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.power.room import RoomView
    from synadmin.recovery.observe import Observer
    from synadmin.recovery.sessions import Sessions
    from synadmin.recovery.temporary import Temporary
    from synadmin.recovery.undo import Noted, Undoing


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
    output.write(_lines_of(invocation, run), _request_columns())


@journal.command()
@click.argument("run")
@change_options
@output_options
@pass_invocation
def resume(invocation: Invocation, run: str, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Go on with a run that was broken off. The last run is called `last`.

    Puts back what that run had changed for a while only and could not put back any more. Then runs its
    command again, which does what is still to be done and nothing twice. Nothing is asked: that was
    agreed to when the run began.

    \b
    Examples:
        synadmin journal resume last --dry-run
        synadmin journal resume last
        synadmin journal resume 20261120T221507-4f2a9c -o json
    """
    from synadmin.recovery.temporary import abandoned, mend

    del yes  # nothing is asked
    lines = _lines_of(invocation, run)
    run = str(lines[0].get("run"))
    left: Sequence[object] = ()
    with invocation.synapse() as synapse:
        _require_ended(invocation, synapse, lines[0])
        if dry_run:
            for earlier, restoration in abandoned(synapse, invocation.journal):
                invocation.warn(f"The run {earlier} ended before it could put this back: {restoration}")
        else:
            invocation.journal.links["resumes"] = run
            left = mend(synapse, invocation.journal, invocation.warn)
    arguments = _arguments_of(invocation, lines)
    if arguments is None:
        message = f"the run {run} ({lines[0].get('command')}) did not note how to go on"
        raise UsageError(message, hint="run its command again; `synadmin journal show` tells what was done")
    again = Invocation(
        profile=invocation.profile,
        env_file=invocation.env_file,
        homeserver=invocation.homeserver,
        timeout=invocation.timeout,
        verbose=invocation.verbose,
        quiet=invocation.quiet,
        resumes=run,
    )
    invocation.say(f"Going on: synadmin {' '.join(arguments)}")
    options = ["-o", output.form]
    if output.names is not None:
        options += ["--columns", ",".join(output.names)]
    if dry_run:
        options.append("--dry-run")
    code = app.main([*arguments[:2], *options, *arguments[2:]], "synadmin", standalone_mode=False, obj=again)
    code = code if isinstance(code, int) else EXIT_DONE
    return EXIT_FAILED if left and code == EXIT_DONE else code


@journal.command()
@click.argument("run")
@click.option(
    "--allow",
    type=click.Choice(["impersonate", "reactivate"]),
    help="How far it may go: act as other local users for a moment; wake deactivated and suspended "
    "accounts for a moment, too.",
)
@change_options
@output_options
@pass_invocation
def undo(
    invocation: Invocation,
    run: str,
    *,
    allow: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Put the power levels back that a run has changed. The last run is called `last`.

    The newest change first, each through somebody who may, as far as the rules of Matrix allow; what they
    do not allow, and what somebody has changed since, is told. Who joined or was invited stays.

    \b
    Examples:
        synadmin journal undo last --dry-run
        synadmin journal undo 20261120T221507-4f2a9c --allow impersonate
    \b
    Exit codes: 0 all is as it was before that run; 5 nothing of it can be put back; 6 some of it.
    """
    from synadmin.power.room import Reach
    from synadmin.recovery import undo as undoing
    from synadmin.recovery.observe import Observer
    from synadmin.recovery.sessions import Sessions
    from synadmin.recovery.temporary import Temporary, mend

    lines = _lines_of(invocation, run)
    run = str(lines[0].get("run"))
    changes = undoing.noted(lines)
    if not changes:
        if next(undoing.others(lines), None) is not None:
            message = f"the run {run} has changed no power levels: there is nothing to put back"
            raise RefusedError(message, hint=f"`synadmin journal show {run}` shows what it has changed")
        output.write([], _undo_columns())
        invocation.say(f"There is nothing to undo in the run {run}.")
        return EXIT_DONE
    reach = Reach[(allow or "api").upper()]
    with invocation.synapse() as synapse:
        _require_ended(invocation, synapse, lines[0])
        if not dry_run:
            # Before looking: what a crash has left may be in the way.
            mend(synapse, invocation.journal, invocation.warn)
        observer = Observer(synapse)
        planned = _undoings(observer, changes, reach)
        needed = any(one.plans or one.impossible for one in planned)
        if needed and (output.for_people or not yes):
            invocation.warn("\n".join(_in_words(one) for one in planned))
        for other in undoing.others(lines):
            invocation.say(f"stays as it is: {other}")
        possible = any(one.plans for one in planned)
        if dry_run or not possible:
            output.write([_told(one, "planned") for one in planned], _undo_columns())
            if not needed:
                invocation.say("There is nothing to undo: the levels are as they were before that run.")
            elif dry_run:
                invocation.say("Nothing was changed: --dry-run.")
            return _undo_code(planned)
        confirm(invocation, "Put these levels back?", yes=yes)
        again = ["journal", "undo", run, "--yes"]
        invocation.journal.arguments = [*again, "--allow", allow] if allow else again
        invocation.journal.links["undoes"] = run
        with (
            Sessions(synapse, invocation.warn) as sessions,
            Temporary(synapse, sessions, invocation.journal, invocation.warn) as temporary,
        ):
            records = [_undone(one, observer, sessions, temporary) for one in planned]
        output.write(records, _undo_columns())
    failed = any(record["outcome"] == "failed" for record in records)
    return EXIT_FAILED if failed else _undo_code(planned)


def _lines_of(invocation: Invocation, run: str) -> list[dict[str, Any]]:
    """Return the lines of a run.

    Raises:
        NoSuchRunError: the journal has none.
    """
    from synadmin.journal import entries

    lines = list(entries(invocation.settings.journal))
    if run == "last" and lines:
        run = str(lines[-1].get("run"))
    chosen = [line for line in lines if line.get("run") == run]
    if not chosen:
        message = f"the journal has no run {run!a}"
        raise NoSuchRunError(message, hint="`synadmin journal list` shows those it has")
    return chosen


def _arguments_of(invocation: Invocation, lines: list[dict[str, Any]]) -> list[str] | None:
    """Return the command line that goes on with a run: its own, or that of the one it resumed."""
    noted = next((line["arguments"] for line in lines if isinstance(line.get("arguments"), list)), None)
    if noted is not None:
        return [str(argument) for argument in noted]
    earlier = next((str(line["resumes"]) for line in lines if "resumes" in line), None)
    if earlier is None or earlier == lines[0].get("run"):
        return None
    return _arguments_of(invocation, _lines_of(invocation, earlier))


def _require_ended(invocation: Invocation, synapse: "Synapse", line: Mapping[str, Any]) -> None:
    """Make sure that a run was on this server, and is over."""
    here, there = synapse.transport.homeserver, str(line.get("server"))
    if here != there:
        message = f"the run {line.get('run')} was on {there}, and {here} is configured"
        raise SettingsError(message, hint=f"--profile, or --homeserver {there}, chooses it")
    if invocation.journal.is_alive(str(line.get("run"))):
        message = f"the run {line.get('run')} is still under way"
        raise RefusedError(message, hint="wait until it is finished, or end it with Ctrl-C")


def _undoings(observer: "Observer", changes: "Sequence[Noted]", reach: Any) -> "list[Undoing]":  # noqa: ANN401
    """Plan for one change after the other, each in the room as the ones before will leave it."""
    from synadmin.power.edit import edited
    from synadmin.recovery import edit as editing
    from synadmin.recovery import undo as undoing

    views: dict[str, RoomView] = {}
    planned = []
    for change in changes:
        try:
            view = views.get(change.room_id) or editing.look(observer, change.room_id)
        except SynadminError as error:
            planned.append(undoing.Undoing(change, impossible=(str(error),)))
            continue
        one = undoing.plan(observer, view, change, allow=reach)
        planned.append(one)
        if one.plans:
            views[change.room_id] = edited(one.plans[-1].view, one.plans[-1].edit)
    return planned


def _undone(
    one: "Undoing",
    observer: "Observer",
    sessions: "Sessions",
    temporary: "Temporary",
) -> dict[str, Any]:
    from synadmin.recovery import edit as editing

    try:
        for planned in one.plans:
            editing.carry_out(observer, sessions, temporary, planned)
    except SynadminError as error:
        return {**_told(one, "done"), "outcome": "failed", "message": str(error)}
    return _told(one, "done")


def _in_words(one: "Undoing") -> str:
    from synadmin.power.edit import changes

    lines: list[str] = [one.noted.room_id]
    for planned in one.plans:
        lines += [f"  {change.words}" for change in changes(planned.view, planned.edit)]
        lines += [f"    {planned.author.words}"] if planned.author is not None else []
    lines += [f"  cannot: {words}" for words in one.impossible]
    if not one.plans and not one.impossible:
        lines.append("  is so already")
    return "\n".join(lines)


def _told(one: "Undoing", outcome: str) -> dict[str, Any]:
    from synadmin.power.edit import changes
    from synadmin.power.levels import shown

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
        "message": "; ".join(one.impossible) or messages[outcome],
        "changes": [
            {"what": change.what, "before": shown(change.before), "after": shown(change.after)}
            for planned in one.plans
            for change in changes(planned.view, planned.edit)
        ],
        "as": [planned.author.user for planned in one.plans if planned.author is not None],
    }


def _undo_code(planned: "Sequence[Undoing]") -> int:
    if not any(one.impossible for one in planned):
        return EXIT_DONE
    return EXIT_PARTLY if any(one.plans or not one.impossible for one in planned) else EXIT_REFUSED


def _undo_columns() -> list[Any]:
    from synadmin.render import Column

    return [Column("room_id", title="room", whole=True), Column("outcome"), Column("message")]


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
