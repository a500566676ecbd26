"""Undoing the changes of power levels that a run made, the newest first.

A room is changed only if its levels are still as the run left them. A room that has an active local
controller keeps one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from synadmin.errors import NotFoundError, RefusedError
from synadmin.ids import RoomId, UserId
from synadmin.power.level_changes import NAMED, Edit, changes, controllers, edited
from synadmin.power.levels import LEVEL_WITHOUT_EVENT, PowerLevels, as_level
from synadmin.power.room import AccountState, Reach, RoomView
from synadmin.recovery import change_levels
from synadmin.recovery.change_levels import EditPlan
from synadmin.recovery.observer import Observer

_OK = 200
_REFUSED = range(400, 500)
_NOT_UNDONE = ("/login", "/logout", "/override_ratelimit")


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change of power levels that a run has made.

    Attributes:
        entry: the id of its journal entry.
        room_id: the room.
        before: the content of the levels before it; None where the room had none.
        after: their content after it; None where Synapse made it (Make Room Admin).
        promoted: the user who got a level by Make Room Admin; None where the levels were sent as an event.
        answered: whether the server reported success.
    """

    entry: str
    room_id: RoomId
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    promoted: UserId | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """A change of levels, and the edits that undo it.

    Attributes:
        change: the change.
        plans: the edits to be made for it, one after the other.
        impossible: the levels that cannot be restored, and why: rules or later changes.
        reason: ``would-lose-control`` where no active local user would have control afterwards.
    """

    change: RecordedChange
    plans: tuple[EditPlan, ...] = ()
    impossible: tuple[str, ...] = field(default=())
    reason: str | None = None


def recorded_changes(lines: Iterable[Mapping[str, Any]]) -> list[RecordedChange]:
    """Return the changes of power levels among a run's lines of the journal, the newest first."""
    plans = []
    for line in lines:
        before, body = line.get("before"), line.get("body") or {}
        if not isinstance(before, Mapping) or line.get("status") in _REFUSED or line.get("errcode"):
            continue
        by_synapse = str(line.get("path")).endswith("/make_room_admin")
        plans.append(
            RecordedChange(
                entry=str(line.get("id")),
                room_id=RoomId(before["room_id"]),
                before=before["power_levels"],
                after=None if by_synapse else body,
                promoted=UserId(str(body.get("user_id"))) if by_synapse else None,
                answered=line.get("status") == _OK,
            ),
        )
    return plans[::-1]


def others(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the other changes of a run as sentences: undoing its power levels does not revert them."""
    for line in lines:
        path = str(line.get("path"))
        if "before" in line or "restoring" in line or "restores" in line or line.get("status") in _REFUSED:
            continue
        if line.get("errcode") is None and not path.endswith(_NOT_UNDONE):
            behalf = f" as {line['on_behalf_of']}" if line.get("on_behalf_of") else ""
            yield f"{line.get('method')} {unquote(path)}{behalf}"


def plan_all(
    observer: Observer,
    run: Sequence[Mapping[str, Any]],
    later: Sequence[Mapping[str, Any]],
    *,
    allow: Reach,
    leave_rooms: bool = False,
) -> list[UndoPlan]:
    """Return how each change of a run is undone, the newest first.

    Args:
        observer: looks at rooms.
        run: the entries of the run in the journal.
        later: the entries of earlier attempts to undo it: their changes do not count as changes by others.
        allow: how far it may go.
        leave_rooms: undo even if no active local user would have control of a room afterwards.

    Raises:
        NotAuthenticatedError: the token is not valid.
        NotPermittedError: it is not a server admin's.
        ConnectError: the server gave no answer.
    """
    changes = recorded_changes(run)
    newest: dict[RoomId, RecordedChange] = {}
    for change in (*recorded_changes(later), *changes):
        newest.setdefault(change.room_id, change)
    undoings: dict[str, UndoPlan] = {}
    for room_id in dict.fromkeys(change.room_id for change in changes):
        of_room = [change for change in changes if change.room_id == room_id]
        for undoing in _plan_room(observer, of_room, newest[room_id], allow, leave_rooms=leave_rooms):
            undoings[undoing.change.entry] = undoing
    return [undoings[change.entry] for change in changes]


def _plan_room(
    observer: Observer,
    of_room: Sequence[RecordedChange],
    newest: RecordedChange,
    allow: Reach,
    *,
    leave_rooms: bool,
) -> Iterator[UndoPlan]:
    """Yield how each change of one room is undone, in the room as it is after the plans before."""
    try:
        view = change_levels.view_to_edit(observer, newest.room_id)
    except NotFoundError as error:
        yield from (UndoPlan(change, impossible=(str(error),)) for change in of_room)
        return
    start, undoings = view, []
    for change in of_room:
        undoings.append(plan(observer, view, change, allow=allow))
        if undoings[-1].plans:
            view = edited(undoings[-1].plans[-1].view, undoings[-1].plans[-1].edit)
    message = reason = None
    if not any(undoing.plans or undoing.impossible for undoing in undoings):
        pass
    elif not _is_as_left(start, newest):
        message = "the power levels were changed after that run, so they are not undone"
    elif not leave_rooms and _has_controller(observer, start) and not _has_controller(observer, view):
        reason = "would-lose-control"
        message = "no active local user would have control of the room afterwards (--leave-rooms allows it)"
    for undoing in undoings:
        yield undoing if message is None else UndoPlan(undoing.change, impossible=(message,), reason=reason)


def _is_as_left(view: RoomView, newest: RecordedChange) -> bool:
    """Whether a room's levels are as after the newest change, or as before it if it got no answer."""
    now = view.power_levels
    if newest.promoted is None:
        return now == newest.after or (not newest.answered and now == newest.before)
    if not newest.answered and now == newest.before:
        return True
    listed = _part(newest.before, "users").values()
    level = _part(now, "users").get(newest.promoted)
    return now == _by_synapse(view, newest.promoted, newest.before) and level in {
        *listed,
        LEVEL_WITHOUT_EVENT,
    }


def _has_controller(observer: Observer, view: RoomView) -> bool:
    """Whether a local user with an active account has control."""
    return any(
        observer.account(user).state is AccountState.ACTIVE
        for user in controllers(view)
        if view.is_local(user)
    )


def plan(observer: Observer, view: RoomView, change: RecordedChange, *, allow: Reach) -> UndoPlan:
    """Plan how a change is undone as far as possible: in one edit, or in several by different users.

    Args:
        observer: looks at accounts.
        view: the room as it is now.
        change: the change.
        allow: how far it may go.
    """
    wanted, since = _inverse(view, change)
    plans: list[EditPlan] = []
    while (planned := _largest_edit(observer, view, wanted, allow)) is not None:
        plans.append(planned)
        view = edited(planned.view, planned.edit)
    impossible = list(since)
    why: dict[str, list[str]] = {}
    for single in _single_edits(wanted):
        if not changes(view, single):
            continue
        try:
            _planned(observer, view, single, allow)
        except RefusedError as error:
            hint = f" ({error.hint})" if error.hint else ""
            why.setdefault(f"{error}{hint}", []).extend(change.text for change in changes(view, single))
    impossible += [f"{', '.join(texts)}: {reason}" for reason, texts in why.items()]
    return UndoPlan(change, tuple(plans), tuple(impossible))


def _planned(observer: Observer, view: RoomView, edit: Edit, allow: Reach) -> EditPlan:
    return change_levels.plan(observer, view, edit, allow=allow, leave_rooms=True, undoing=True)


def _largest_edit(observer: Observer, view: RoomView, wanted: Edit, allow: Reach) -> EditPlan | None:
    """Return the edit that restores as many levels as a local user may; None where there are none."""
    so_far: EditPlan | None = None
    chosen = Edit()
    for single in (wanted, *_single_edits(wanted)):
        if not changes(view, single):
            continue
        more = _combined(chosen, single)
        try:
            so_far = _planned(observer, view, more, allow)
        except RefusedError:
            continue
        if single is wanted:
            return so_far
        chosen = more
    return so_far


def _single_edits(edit: Edit) -> Iterator[Edit]:
    """Yield each part of an edit. The users come last: the sender of the edit may be among them."""
    yield from (Edit(events={name: level}) for name, level in edit.events.items())
    yield from (Edit(named={name: level}) for name, level in edit.named.items())
    yield from (Edit(users={user: level}) for user, level in edit.users.items())


def _combined(one: Edit, other: Edit) -> Edit:
    return Edit(
        users={**one.users, **other.users},
        events={**one.events, **other.events},
        named={**one.named, **other.named},
    )


def _inverse(view: RoomView, change: RecordedChange) -> tuple[Edit, list[str]]:
    """Return the edit that undoes a change, and the levels that others have changed since."""
    levels = view.levels
    before = PowerLevels(change.before, levels.version, levels.creators).written()
    after = change.after
    if change.promoted is not None:
        after = _by_synapse(view, change.promoted, change.before)
    since: list[str] = []

    def part(name: str) -> dict[str, int | None]:
        old, new, now = (_part(content, name) for content in (before, after, view.power_levels))
        differing = {key: old.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}
        for key in list(differing):
            if now.get(key) not in {new.get(key), differing[key]}:
                since.append(f"{key}: it was changed after that run, so it is not undone")
                del differing[key]
        return differing

    users = {UserId(user): level for user, level in part("users").items()}
    events = part("events")
    default = PowerLevels(before, levels.version, levels.creators)
    named = {}
    for name in NAMED:
        old, new, now = (
            as_level((content or {}).get(name)) for content in (before, after, view.power_levels)
        )
        if old == new:
            continue
        if now in {new, old}:
            named[name] = int(getattr(default, name))
        else:
            since.append(f"{name}: it was changed after that run, so it is not undone")
    return Edit(users=users, events=events, named=named), since


def _by_synapse(view: RoomView, promoted: UserId, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the levels after Make Room Admin: those before, with the present level of the promoted user."""
    content = dict(before or {})
    now = _part(view.power_levels, "users").get(promoted)
    return {**content, "users": {**_part(before, "users"), promoted: now}}


def _part(content: Mapping[str, Any] | None, name: str) -> dict[str, int | None]:
    part = (content or {}).get(name)
    return {key: as_level(level) for key, level in part.items()} if isinstance(part, Mapping) else {}
