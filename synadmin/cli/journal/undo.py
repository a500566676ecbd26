"""``synadmin journal undo``: restore the power levels that a run has changed."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.confirm import ALLOW, LEAVE_ROOMS, change_options, confirm
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.journal.runs import find_run, open_journal, require_ended
from synadmin.cli.lazy import Command
from synadmin.cli.outcomes import Outcomes
from synadmin.cli.output import Output, output_options
from synadmin.cli.targets import Kind
from synadmin.columns import Column
from synadmin.errors import JournalError, NotAuthenticatedError, RefusedError, SynadminError
from synadmin.text import option_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from synadmin.journal import RunRecord
    from synadmin.journal.store import Store
    from synadmin.recovery.undo_levels import UndoPlan
    from synadmin.recovery.workspace import Recovery


@click.command(cls=Command)
@click.argument("run")
@ALLOW
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

    The last run that is not an undo is called `last`. The newest change is undone first, by a user who may
    change the levels. A room is refused if its levels were changed since the run. It is also refused if no
    active local user would have control of it afterwards, unless --leave-rooms is given. Users who joined or
    were invited stay. A run can be undone once.

    \b
    Examples:
        synadmin journal undo last --dry-run
        synadmin journal undo 20261120T221507-4f2a9c --allow impersonate

    Exit codes: 0 all levels are as before that run; 5 nothing can be undone; 6 only a part was undone.
    """
    from synadmin.power.room import Reach
    from synadmin.recovery import undo_levels

    with open_journal(invocation) as store:
        record = _run_to_undo(store, run)
        entries = list(store.entries(run=record.run))
        is_clean = not store.has_open_reverts(record.run)
        later = [entry for undoing in store.undone_by(record.run) for entry in store.entries(run=undoing.run)]
    if is_clean and not undo_levels.recorded_changes(entries):
        return _nothing_to_undo(invocation, record.run, entries, output)
    with invocation.recovery() as recovery:
        require_ended(invocation, recovery.synapse, record)
        if not dry_run:
            recovery.revert_crashed_runs()  # first: changes that a crash has left may cause a refusal
        elif record.ended is None:
            _say_interrupted(invocation, record.run)
        if not undo_levels.recorded_changes(entries):
            return _nothing_to_undo(invocation, record.run, entries, output)
        planned = undo_levels.plan_all(
            recovery.observer, entries, later, allow=Reach.of(allow), leave_rooms=leave_rooms
        )
        ends_here = dry_run or not any(plan.plans for plan in planned)
        if output.for_people or not yes:
            _show_plans(invocation, planned, refusals=not (yes or ends_here))
        _say_not_undone(invocation, entries)
        if ends_here:
            return _end_unchanged(invocation, output, planned, dry_run=dry_run)
        confirm(invocation, "Restore these levels?", yes=yes)
        options = option_words(yes=True, allow=allow, leave_rooms=leave_rooms)
        invocation.journal.arguments = ["journal", "undo", record.run, *options]
        invocation.journal.links["undoes"] = record.run
        records = [_undo_room(plan, recovery) for plan in planned]
    _write(invocation, output, records, asked=not yes)
    if record.ended is None:
        invocation.journal.conclude([record.run], EXIT_REFUSED)
    return _undo_code(planned, records)


def _say_interrupted(invocation: Invocation, run: str) -> None:
    invocation.say(
        f"The run {run} was interrupted: `synadmin journal resume {run} --dry-run` shows the rest."
    )


def _show_plans(invocation: Invocation, planned: "Sequence[UndoPlan]", *, refusals: bool) -> None:
    """Show the plans. The refusals are shown only before a question; otherwise the result has them."""
    shown = [plan for plan in planned if plan.plans or (refusals and plan.impossible)]
    if shown:
        invocation.warn("\n".join(_undo_text(plan, refusals=refusals) for plan in shown))


def _say_not_undone(invocation: Invocation, entries: "Sequence[Mapping[str, Any]]") -> None:
    from synadmin.recovery import undo_levels

    for other in undo_levels.others(entries):
        invocation.say(f"not undone: {other}")


def _end_unchanged(
    invocation: Invocation, output: Output, planned: "Sequence[UndoPlan]", *, dry_run: bool
) -> int:
    """Print the plans of a run that changes nothing; return the exit code."""
    _write(invocation, output, [_undo_record(plan, "planned") for plan in planned])
    if not any(plan.plans or plan.impossible for plan in planned):
        invocation.say("There is nothing to undo: the levels are as they were before that run.")
    elif dry_run:
        invocation.say("Nothing was changed: --dry-run.")
    return _undo_code(planned)


def _nothing_to_undo(invocation: Invocation, run: str, entries: list[dict[str, Any]], output: Output) -> int:
    from synadmin.recovery import undo_levels

    if next(undo_levels.others(entries), None) is not None:
        message = f"the run {run} changed no power levels: `journal undo` undoes nothing else"
        raise RefusedError(message, hint=f"`synadmin journal show {run}` shows what it changed")
    output.write([], _UNDO_COLUMNS)
    invocation.say(f"There is nothing to undo in the run {run}.")
    return EXIT_DONE


def _run_to_undo(store: "Store", run: str) -> "RunRecord":
    """Return the run to undo.

    Raises:
        NoSuchRunError: the journal has no such run.
        RefusedError: the run was already undone, or is itself an undo.
    """
    record = find_run(store, run)
    if record.undoes is not None and run != "last":
        message = f"the run {record.run} undid the run {record.undoes}, and cannot be undone itself"
        raise RefusedError(message, hint="run the first command again: `synadmin journal show` shows it")
    record = find_run(store, record.undoes) if record.undoes is not None else record
    done = next((undoing for undoing in store.undone_by(record.run) if undoing.code == EXIT_DONE), None)
    if done is not None:
        message = f"the run {record.run} was already undone, by the run {done.run}"
        raise RefusedError(message, hint="`synadmin journal list` shows other runs")
    return record


def _undo_room(plan: "UndoPlan", recovery: "Recovery") -> dict[str, Any]:
    from synadmin.recovery import change_levels

    try:
        for edit_plan in plan.plans:
            change_levels.carry_out(recovery, edit_plan)
    except (JournalError, NotAuthenticatedError):
        raise
    except SynadminError as error:
        return {**_undo_record(plan, "done"), "outcome": "failed", "message": str(error)}
    return _undo_record(plan, "done")


def _undo_text(plan: "UndoPlan", *, refusals: bool) -> str:
    from synadmin.power.level_changes import changes

    lines: list[str] = [plan.change.room_id]
    for edit_plan in plan.plans:
        lines += [f"  {change.text}" for change in changes(edit_plan.view, edit_plan.edit)]
        lines += [f"    {edit_plan.actor.text}"] if edit_plan.actor is not None else []
    lines += [f"  cannot: {words}" for words in plan.impossible if refusals]
    return "\n".join(lines)


def _undo_record(plan: "UndoPlan", outcome: str) -> dict[str, Any]:
    from synadmin.power.level_changes import change_records

    if plan.impossible:
        outcome = "partly" if plan.plans else "refused"
    elif not plan.plans:
        outcome = "done"
    messages = {
        "planned": "The levels can be restored.",
        "done": "The levels are as they were." if plan.plans else "The levels are as they were already.",
    }
    return {
        "room_id": plan.change.room_id,
        "outcome": outcome,
        "reason": plan.reason,
        "message": "; ".join(plan.impossible) or messages[outcome],
        "changes": [
            record for edit_plan in plan.plans for record in change_records(edit_plan.view, edit_plan.edit)
        ],
        "as": [edit_plan.actor.user for edit_plan in plan.plans if edit_plan.actor is not None],
    }


def _undo_code(planned: "Sequence[UndoPlan]", records: "Sequence[Mapping[str, Any]]" = ()) -> int:
    if any(record["outcome"] == "failed" for record in records):
        return EXIT_FAILED
    if not any(plan.impossible for plan in planned):
        return EXIT_DONE
    return EXIT_PARTLY if any(plan.plans or not plan.impossible for plan in planned) else EXIT_REFUSED


def _write(
    invocation: Invocation, output: Output, records: "Sequence[dict[str, Any]]", *, asked: bool = False
) -> None:
    """Print the records and the summary. After a question the reasons of refusals are not repeated."""
    short = _AS_PLANNED if asked and output.for_people else {}
    shown = (record | short if record["outcome"] in {"refused", "partly"} else record for record in records)
    output.write(shown, _UNDO_COLUMNS)
    outcomes = Outcomes(_LEVEL_CHANGES, len(records))
    for record in records:
        outcomes.add(
            "unchanged" if record["outcome"] == "done" and not record["changes"] else record["outcome"]
        )
    outcomes.say_summary(invocation, of_one=output.in_words)


_LEVEL_CHANGES = Kind("level change", "room_id", "ROOM")
_AS_PLANNED = {"message": "The plan above says what is not restored."}
_UNDO_COLUMNS = (Column("room_id", title="room", whole=True), Column("outcome"), Column("message"))
