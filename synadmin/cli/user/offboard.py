"""``synadmin user offboard``: successors get control of the rooms of an account before it is locked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.confirm import LEAVE_ROOMS, SAVE_PLAN, allow_option
from synadmin.cli.input_files import read_rows
from synadmin.cli.invocation import Invocation
from synadmin.cli.mas_required import account_in_mas, server_admins
from synadmin.cli.outcomes import Record
from synadmin.cli.saved_plan import SavedPlan
from synadmin.cli.targets import USERS, counted, inactive_state, join_names, unfit_owner, user_id_of
from synadmin.cli.user.offboard_plan import change_since_plan, fingerprint, pairs_of, write_plan
from synadmin.cli.user.offboard_rooms import BAD, DONE_WORDS, HandoverReport, question
from synadmin.cli.user.read_back import read_back
from synadmin.cli.user.rooms import refuse_to_lose_control, rooms_losing_control
from synadmin.cli.verbs import changes
from synadmin.columns import Column
from synadmin.errors import RefusedError, UsageError
from synadmin.text import command, option_words

if TYPE_CHECKING:
    from synadmin.api.users import UserDetails
    from synadmin.client import Synapse
    from synadmin.ids import UserId
    from synadmin.recovery.offboard import Offboarding, RoomHandover
    from synadmin.recovery.room_control import RoomControl

_HEADINGS = ("user", "successor")


@changes(
    USERS._replace(listed="users and their successors"),
    "users.modify",
    does="Offboard",
    columns=(Column("account.outcome", title="account"), Column("rooms", shown=False)),
    mas="lock-user {user}",
)
@click.option("--to", metavar="USER[,USER]", help="The users who get control of the rooms.")
@click.option(
    "--then",
    type=click.Choice(["lock", "deactivate", "nothing"]),
    default="lock",
    show_default=True,
    help="What to do with the account after its rooms.",
)
@allow_option("Act as local users for a short time: successors join at once, the account gives up its power.")
@LEAVE_ROOMS
@SAVE_PLAN
def offboard(
    synapse: "Synapse",
    user_id: "UserId",
    *,
    successors: "Mapping[UserId, tuple[UserId, ...]]",
    controlled: "dict[str, list[RoomControl]]",
    then: str,
    allow: str | None,
    leave_rooms: bool,
    from_file: bool,
    plan: "SavedPlan | None",
    report: HandoverReport,
    invocation: Invocation,
) -> Record:
    """Hand over the rooms of a leaver, then lock the account.

    Looks for the rooms that only this account controls. There the successors get control, which works
    without impersonation while the account is active. When every room is done, the account is locked, or
    deactivated with --then deactivate. With --allow impersonate the successors join at once, and the account
    gives up its power and leaves the rooms where it has some.

    A room that cannot be handed over stops the account step; --leave-rooms continues anyway. Run the
    command again to finish: finished steps are not repeated.

    \b
    Examples:
        synadmin user offboard alice --to bob --dry-run
        synadmin user offboard alice --to bob,carol --then deactivate \\
            --allow impersonate
        synadmin user offboard --from leavers.csv --save-plan leavers.json
    """
    from synadmin.power.room import Reach
    from synadmin.recovery.offboard import Offboarding
    from synadmin.recovery.workspace import Recovery

    if from_file or invocation.plan is not None:  # the file may have changed when the run is resumed
        invocation.journal.arguments = invocation.apply_command
    before = synapse.users.get(user_id)
    rooms = controlled.get(user_id, [])
    with Recovery(synapse, invocation.journal, invocation.warn) as recovery:
        work = Offboarding(recovery, successors[user_id], Reach.of(allow))
        refused = _refused_as_inactive(work, rooms, before, then)
        if refused is not None:
            return refused
        if synapse.transport.is_dry_run or invocation.plan is not None:
            ended = _preview(invocation, work, rooms, before, _Goal(then, leave_rooms, plan, report))
            if ended is not None:
                return ended
        handed, failed = _hand_over_rooms(work, rooms, user_id, gives_up=allow is not None)
    report.say(handed)
    if not leave_rooms:
        kept = _kept_account(synapse, user_id, successors[user_id], handed, failed, then=then)
        if kept is not None:
            return kept
    later = _finish(synapse, user_id, then, locked=before.locked, deactivated=before.deactivated)
    record = _finished(handed, failed, then, later)
    if leave_rooms or then == "nothing":
        return record
    return _checked_again(synapse, record, successors[user_id])


@offboard.check
def _(
    *,
    user_id: tuple[str, ...],
    to: str | None,
    source: str | None,
    dry_run: bool,
    save_plan: str | None,
    invocation: Invocation,
) -> dict[str, Any]:
    pairs = _pairs(user_id, to, source)
    if invocation.plan is not None:
        pairs["pairs"] = pairs_of(invocation.plan, user_id)
    return {**pairs, "dry_run": dry_run or save_plan is not None}


def _pairs(user_id: tuple[str, ...], to: str | None, source: str | None) -> dict[str, Any]:
    """Return the users with their successors, from the command line or a file."""
    pairs: dict[str, list[str]] = {}
    if source is not None:
        if to is not None or user_id:
            raise UsageError("--from names the users and their successors: leave out USER and --to")
        for row in read_rows(source, _HEADINGS, aliases={"user_id": "user", "to": "successor"}):
            user, successor = (row.cells.get(name, "") for name in _HEADINGS)
            if not user or not successor:
                raise UsageError(f"{row.where}: a user and a successor are needed")
            pairs.setdefault(user, []).extend(name for name in successor.split() if name)
        return {"pairs": pairs, "user_id": tuple(pairs), "source": None, "from_file": True}
    if to is None:
        raise UsageError("name who gets control of the rooms: --to USER")
    names = [name.strip() for name in to.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--to: {to!a} names no user")
    return {"pairs": dict.fromkeys(user_id, names), "from_file": False}


@offboard.guard
def _(
    synapse: "Synapse",
    users: "list[UserId]",
    *,
    pairs: dict[str, list[str]],
    save_plan: str | None,
    dry_run: bool,
    yes: bool,
    invocation: Invocation,
) -> dict[str, Any]:
    successors = {
        user_id_of(synapse, user): tuple(dict.fromkeys(user_id_of(synapse, name) for name in names))
        for user, names in pairs.items()
    }
    for user, named in successors.items():
        leaves = next((successor for successor in named if successor in users), None)
        if leaves is not None:
            raise UsageError(f"{leaves} cannot be the successor of {user}: it is one of the leavers")
    if synapse.owner in users:
        message = f"{synapse.owner} is your own account, whose token you are using"
        raise RefusedError(message, hint="use the token of another server admin")
    admins = server_admins(synapse)
    if admins and admins <= set(users):
        message = f"{join_names(sorted(admins))} is the last server admin"
        raise RefusedError(message, hint="`synadmin user admin grant USER` makes another account one")
    for successor in dict.fromkeys(name for named in successors.values() for name in named):
        _require_active(synapse, successor)
    plan = None if save_plan is None else SavedPlan.begin(synapse.owner, invocation.reason)
    controlled = rooms_losing_control(synapse, users, successors)
    report = HandoverReport(invocation, asks=invocation.on_terminal and not dry_run and not yes)
    return {"successors": successors, "controlled": controlled, "plan": plan, "report": report}


@offboard.after
def _(
    _code: int,
    *,
    plan: "SavedPlan | None",
    save_plan: str | None,
    successors: "Mapping[UserId, tuple[UserId, ...]]",
    then: str,
    allow: str | None,
    leave_rooms: bool,
    invocation: Invocation,
) -> None:
    if plan is not None and save_plan is not None:
        options = option_words(then=then, allow=allow, leave_rooms=leave_rooms)
        write_plan(invocation.say, plan, save_plan, successors, options)


@offboard.question
def _(
    _: "Synapse",
    users: "list[UserId]",
    *,
    report: HandoverReport,
    controlled: "dict[str, list[RoomControl]]",
    then: str,
    allow: str | None,
    leave_rooms: bool,
) -> str | None:
    rooms = {user: len(controlled.get(user, [])) for user in users}
    return question(report, rooms, then, gives_up=allow is not None, leave_rooms=leave_rooms)


@offboard.ask
def _(text: str, *, report: HandoverReport) -> None:
    report.ask(text)


def _require_active(synapse: "Synapse", user: "UserId") -> None:
    inactive = _inactive(synapse, user)
    if inactive is not None:
        raise RefusedError(f"the successor {inactive}", hint="name an active account with --to")


def _inactive(synapse: "Synapse", user: "UserId") -> str | None:
    """Return a clause such as "@bob:example.org is locked"; None where the account can own a room."""
    state = unfit_owner(synapse, user)
    return None if state is None else f"{user} is {state}"


def _inactive_of(synapse: "Synapse", users: "Iterable[UserId]") -> str | None:
    """Return the clause of the first inactive account; None where all are active."""
    return next(filter(None, (_inactive(synapse, user) for user in users)), None)


@dataclass(frozen=True, slots=True)
class _Goal:
    """The goal for one account, the plan to save, and the report of its rooms."""

    then: str
    leave_rooms: bool
    plan: SavedPlan | None
    report: HandoverReport


def _preview(
    invocation: Invocation,
    work: "Offboarding",
    rooms: "list[RoomControl]",
    account: "UserDetails",
    goal: _Goal,
) -> Record | None:
    """Return the record of an account in a dry run, or if it has changed since its plan; else None."""
    observer, user_id = work.recovery.observer, account.name
    planned = work.planned(rooms)
    record = _planned_record(planned, goal.then, leave_rooms=goal.leave_rooms)
    done = account.deactivated if goal.then == "deactivate" else account.locked or account.deactivated
    leaves: list[RoomControl] = []
    if record["outcome"] == "planned" and work.allow:
        leaves = list(work.rooms_to_give_up(user_id, rooms))
    if invocation.plan is not None and (planned or not done):
        changed = change_since_plan(invocation.plan, observer, user_id, record, planned, gives_up=leaves)
        if changed is not None:
            return changed
    if not work.recovery.synapse.transport.is_dry_run:
        return None
    if record["outcome"] == "planned" and work.allow:
        further = f"The account also gives up its power in {counted(len(leaves), 'room')} and leaves them."
        record = {**record, "message": f"{record['message']} {further}"}
    is_asked = record["outcome"] in {"planned", "partly"}
    goal.report.plan_rooms(user_id, planned, leaves, refused=not is_asked)
    if goal.plan is not None and record["outcome"] == "planned":
        goal.plan.add(user_id, record, **fingerprint(observer, user_id, planned, leaves))
    return record


def _refused_as_inactive(
    work: "Offboarding", rooms: "list[RoomControl]", account: "UserDetails", then: str
) -> Record | None:
    """Return the refusal of an inactive account that would have to give up power; else None."""
    state = inactive_state(account)
    if not work.allow or state is None:
        return None
    left = list(work.rooms_to_give_up(account.name, rooms))
    if not left:
        return None
    enable, otherwise = "unsuspend", ""
    if state == "locked":  # Make Room Admin works through a locked account
        enable, otherwise = "unlock", ", or leave out --allow impersonate: then it keeps its power"
    message = (
        f"{account.name} is {state}: it cannot give up its power in {counted(len(left), 'room')}. "
        f"Run `{command('user', enable, account.name)}` first{otherwise}."
    )
    return _record("refused", message, [], _skipped(then), reason="needs-reactivate")


def _planned_record(handed: "list[RoomHandover]", then: str, *, leave_rooms: bool) -> Record:
    bad = [room for room in handed if room.outcome in BAD]
    if bad and not leave_rooms:
        return _not_offboarded(bad, handed, then)
    message = _plan(handed, then, leave_rooms=leave_rooms)
    return _record("planned", message, handed, _account(then, "planned"))


def _hand_over_rooms(
    work: "Offboarding", rooms: "list[RoomControl]", user_id: "UserId", *, gives_up: bool
) -> "tuple[list[RoomHandover], list[str]]":
    """Hand the rooms over; with ``gives_up``, the account then gives up its power."""
    work.recovery.revert_crashed_runs()
    handed = list(work.carry_out(rooms))
    if not gives_up or any(room.outcome != "done" for room in handed):
        return handed, []
    failed = work.give_up(user_id)
    return work.read_again(handed), failed


def _kept_account(
    synapse: "Synapse",
    user_id: "UserId",
    successors: "Iterable[UserId]",
    handed: "list[RoomHandover]",
    failed: list[str],
    *,
    then: str,
) -> Record | None:
    """Return the record of an account that is not closed because rooms would lose control; else None."""
    bad = [room for room in handed if room.outcome != "done"]
    if bad:
        return _not_offboarded(bad, handed, then)
    if failed:
        return _record("partly", _not_given_up(failed), handed, _skipped(then), reason="server-error")
    # Since the rooms were read, another run may have locked a successor or changed a room.
    inactive = _inactive_of(synapse, successors)
    if inactive is not None:
        message = f"{_rooms_summary(handed)} But {inactive} now. The account is unchanged."
        return _record(
            "partly" if handed else "refused", message, handed, _skipped(then), reason="would-lose-control"
        )
    left = rooms_losing_control(synapse, [user_id]).get(user_id)
    if left:
        return {**_fields(handed, _skipped(then)), **refuse_to_lose_control(user_id, left)}
    return None


def _checked_again(synapse: "Synapse", record: Record, successors: "Iterable[UserId]") -> Record:
    """Return the record of a closed account: ``partly`` where a successor is inactive now."""
    inactive = _inactive_of(synapse, successors)
    if inactive is None:
        return record
    message = f"{record['message']} But {inactive} now: another run or another admin did this."
    return {**record, "outcome": "partly", "message": message, "reason": "would-lose-control"}


def _not_given_up(failed: list[str]) -> str:
    return f"In {counted(len(failed), 'room')} the account did not give up its power and leave ({failed[0]})."


def _finish(
    synapse: "Synapse", user_id: "UserId", then: str, *, locked: bool, deactivated: bool
) -> str | None:
    """Lock or deactivate the account; return a clause about pending work, None where there is none."""
    if then == "lock" and not locked and not deactivated:
        account = account_in_mas(synapse, user_id)
        if account is not None:
            return account.set_locked(locked=True)
        synapse.users.modify(user_id, locked=True)
        read_back(synapse, user_id, locked=True)
    elif then == "deactivate" and not deactivated:
        account = account_in_mas(synapse, user_id)
        if account is not None:
            return account.deactivate(erase=False)
        synapse.users.deactivate(user_id, erase=False)
        read_back(synapse, user_id, deactivated=True)
    return None


def _not_offboarded(bad: "list[RoomHandover]", handed: "list[RoomHandover]", then: str) -> Record:
    """Return the record of an account that is not changed, because rooms are not handed over."""
    outcomes = {room.outcome for room in handed}
    if all(room.outcome == "pending" for room in bad):
        outcome, reason = "pending", bad[0].worst.reason
        message = (
            f"In {counted(len(bad), 'room')} a successor has to accept the invitation. Run this again then, "
            "or now with --allow impersonate. The account is unchanged."
        )
    else:
        outcome = "failed" if "failed" in outcomes else "refused"
        if outcomes & {"planned", "done", "pending", "partly"}:
            outcome = "partly"
        reason = "would-lose-control"
        rooms = join_names([room.control.label for room in bad])
        message = (
            f"Not handed over: {len(bad)} of {counted(len(handed), 'room')}: {rooms}. "
            "The account is unchanged; --leave-rooms continues anyway."
        )
    return {"outcome": outcome, "reason": reason, "message": message, **_fields(handed, _skipped(then))}


def _finished(handed: "list[RoomHandover]", failed: list[str], then: str, later: str | None) -> Record:
    """Return the record of a closed account; ``failed``: the rooms where it did not give up its power."""
    outcome = "done" if later is None else "pending"
    message = f"{_rooms_summary(handed)} {later or f'The account is {DONE_WORDS[then]}'}."
    account = _account(then, outcome)
    if failed:
        return _record("partly", f"{message} {_not_given_up(failed)}", handed, account, reason="server-error")
    return _record(outcome, message, handed, account)


def _account(then: str, outcome: str) -> dict[str, str]:
    return {"action": then, "outcome": outcome}


def _skipped(then: str) -> dict[str, str]:
    return _account(then, "not started")


def _record(
    outcome: str,
    message: str,
    handed: "list[RoomHandover]",
    account: Mapping[str, str],
    *,
    reason: str | None = None,
) -> Record:
    return {"outcome": outcome, "reason": reason, "message": message, **_fields(handed, account)}


def _fields(handed: "list[RoomHandover]", account: Mapping[str, str]) -> dict[str, Any]:
    return {"account": dict(account), "rooms": [room.as_record() for room in handed]}


def _plan(handed: "list[RoomHandover]", then: str, *, leave_rooms: bool) -> str:
    if then == "nothing":
        account = "The account is not changed."
    elif handed and not leave_rooms:
        account = f"When every successor has control, the account is {DONE_WORDS[then]}."
    else:
        account = f"Then the account is {DONE_WORDS[then]}."
    if not handed:
        return f"No room depends on this account. {account}"
    return f"{counted(len(handed), 'room')} to hand over. {account}"


def _rooms_summary(handed: "list[RoomHandover]") -> str:
    if not handed:
        return "No room depends on this account."
    done = sum(room.outcome == "done" for room in handed)
    return f"{done} of {counted(len(handed), 'room')} handed over."
