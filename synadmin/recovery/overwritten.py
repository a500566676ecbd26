"""Make changes of a room's levels again that Make Room Admin has overwritten.

Synapse reads the levels, adds a user's level, and sends them. A change that others send in between is lost.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

from synadmin.errors import JournalError, NotAuthenticatedError, SynadminError
from synadmin.ids import UserId
from synadmin.power import level_changes
from synadmin.power.events import POWER_LEVELS
from synadmin.power.level_changes import NAMED, Edit
from synadmin.power.room import Goal, RoomView
from synadmin.recovery import change_levels
from synadmin.recovery.workspace import Recovery

_NEWEST = 30  # events of a room in which changes of others are searched


def set_again(recovery: Recovery, goal: Goal, before: RoomView, now: RoomView) -> str | None:
    """Make changes again that others made while the goal's target was given a level.

    The room has to be locked.

    Args:
        recovery: the run.
        goal: the user who was given a level, and how far the run may go.
        before: the room as it was when the level was planned.
        now: the room as it was read back.

    Returns:
        The change that is lost, as a sentence; None where none is.

    Raises:
        NotAuthenticatedError: the token has become invalid.
        JournalError: the journal cannot be written.
    """
    if now.power_levels_replaced in {None, before.power_levels_id} or now.power_levels_id is None:
        return None
    try:
        recovery.observer.forget_all()
        view = change_levels.view_to_edit(recovery.observer, now.room_id)
        edit = _overwritten(recovery, goal.target, before, view)
        for user in edit.users:
            _grant_again(recovery, goal.target, view, edit, user)
        if edit.users:
            view = change_levels.view_to_edit(recovery.observer, now.room_id)
            edit = _overwritten(recovery, goal.target, before, view)
        if not level_changes.changes(view, edit):
            return None
        planned = change_levels.plan(recovery.observer, view, edit, allow=goal.allow, leave_rooms=True)
        if planned.actor is not None:
            change_levels.carry_out_locked(recovery, planned, planned.actor)
    except (JournalError, NotAuthenticatedError):
        raise
    except SynadminError as error:
        return f"A change that another user made to the levels at the same time is lost: {error}."
    return None


def _grant_again(recovery: Recovery, target: UserId, view: RoomView, edit: Edit, user: UserId) -> None:
    """Use Make Room Admin for a user whose level another user raised to that of the target.

    Make Room Admin overwrites the user's level. So the levels are read again just before: others may have
    lowered it.
    """
    observer, held = recovery.observer, view.levels.level_of(user)
    is_raised = held < (edit.users[user] or held) == view.levels.level_of(target)
    if not is_raised or observer.membership_now(user, view.room_id) != "join":
        return
    event = observer.state_event(view.room_id, POWER_LEVELS)
    if event is not None and replace(view, power_levels=event.content).levels.level_of(user) == held:
        recovery.synapse.rooms.make_admin(view.room_id, user_id=user)


def _overwritten(recovery: Recovery, target: UserId, before: RoomView, now: RoomView) -> Edit:
    """Return the levels that others have set since ``before`` and that Make Room Admin has overwritten."""
    contents: list[Mapping[str, Any]] = []
    newest = recovery.observer.synapse.events.messages(now.room_id, backwards=True, page_size=_NEWEST)
    for event in islice(newest, _NEWEST):
        if event.event_id == before.power_levels_id:
            break
        if event.type == POWER_LEVELS and event.state_key == "":
            contents.insert(0, event.content)
    base, level = before.levels.written(), now.levels.level_of(target)
    for earlier, granting in pairwise(contents):
        if _users(granting).get(target) == level != _users(earlier).get(target):
            complete, _ = level_changes.merged(base, granting, earlier)
            wanted, _ = level_changes.merged(granting, now.levels.written(), complete)
            return _edit_between(now.levels.written(), wanted)
    return Edit()


def _users(content: Mapping[str, Any]) -> Mapping[str, Any]:
    users = content.get("users")
    return users if isinstance(users, Mapping) else {}


def _edit_between(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Edit:
    """Return the edit that makes one content of the levels into another."""
    parts: dict[str, dict[Any, Any]] = {}
    for part in ("users", "events"):
        has, wants = now.get(part) or {}, wanted.get(part) or {}
        names = dict.fromkeys((*has, *wants))
        parts[part] = {name: wants.get(name) for name in names if has.get(name) != wants.get(name)}
    named = {name: wanted[name] for name in NAMED if name in wanted and wanted[name] != now.get(name)}
    return Edit(users=parts["users"], events=parts["events"], named=named)
