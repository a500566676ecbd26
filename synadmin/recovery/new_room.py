"""Configuring the room that Synapse makes in place of a lost one, and bringing the members in.

Synapse makes it public, though not listed, and mutes every user except its admin. So it is closed as soon as
its id is known, and then the members are brought in. In the end it is read back.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from synadmin.api.room_deletion import RoomShutDown
from synadmin.errors import MatrixError, NotFoundError, SynadminError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.power.events import CANONICAL_ALIAS, JOIN_RULES, MEMBER, POWER_LEVELS
from synadmin.power.room import Reach
from synadmin.recovery import outcome
from synadmin.recovery.change_levels import view_to_edit
from synadmin.recovery.observer import Observer
from synadmin.recovery.reader import state_of
from synadmin.recovery.replace_room import Replacement, ReplaceOptions
from synadmin.recovery.workspace import Recovery
from synadmin.text import command

_MUTED = -10  # the users_default of the room that Synapse makes


def secure(
    recovery: Recovery,
    planned: Replacement,
    options: ReplaceOptions,
    new: RoomId,
) -> None:
    """Close the new room and bring the members in, while the server still deletes the old one.

    Synapse moves one user after the other, and cannot move users into a closed room. So they are brought in
    here. Even if the deletion fails, no member is left without a room.

    Raises:
        SynadminError: the new room could not be configured.
    """
    if options.muted or not _is_new(recovery.observer, new):
        return  # an earlier run may have done it
    planned = replace(planned, new_room_id=new)
    if options.admin == recovery.synapse.owner:
        _configure(recovery, planned, options)
        _join_or_invite(recovery, options, new, planned.members)
    else:
        # The caller is not in the new room and cannot invite: the members join before it is closed.
        _join_or_invite(recovery, options, new, planned.members)
        _configure(recovery, planned, options)


def _join_or_invite(
    recovery: Recovery, options: ReplaceOptions, new: RoomId, users: Iterable[UserId]
) -> None:
    """Make users join the new room, or invite them; who is in it is read back in the end."""
    for user in users:
        if user == options.admin:
            continue
        try:
            recovery.synapse.rooms.join(new, user_id=user)
        except SynadminError:
            with contextlib.suppress(SynadminError):
                recovery.as_user(options.admin).client_server.invite(new, user)


def describe_new_room(observer: Observer, planned: Replacement, new: RoomId | None) -> str:
    """Return a sentence on the present state, for a run that ends before the replacement does."""
    if new is None:
        return "It is not known whether the new room exists."
    try:
        inside = set(observer.synapse.rooms.members(new).members)
        rules = observer.state_event(new, JOIN_RULES)
        muted = _is_new(observer, new)
    except SynadminError:
        return f"The new room {new} exists; its members and its join rule cannot be read now."
    rule = "unknown" if rules is None else rules.content.get("join_rule")
    moved = [user for user in planned.members if user in inside]
    return (
        f"The new room {new} exists, its join rule is {rule}"
        f"{', and its members cannot send messages' if muted else ''}. "
        f"{len(moved)} of {len(planned.members)} members are in it."
    )


def _is_new(observer: Observer, new: RoomId) -> bool:
    event = observer.state_event(new, POWER_LEVELS)
    return event is not None and event.content.get("users_default") == _MUTED


def configure_new_room(
    recovery: Recovery,
    planned: Replacement,
    options: ReplaceOptions,
    shut_down: RoomShutDown,
) -> Replacement:
    """Configure the new room, and read it back.

    Args:
        recovery: the run.
        planned: the result of :func:`plan_replacement`.
        options: the options.
        shut_down: Synapse's result of the deletion.

    Raises:
        SynadminError: the new room cannot be seen.
    """
    observer = recovery.observer
    new = shut_down.new_room_id
    if new is None:
        raise SynadminError(
            "the server removed its users from the old room, but reports no new room",
            hint=f"`{command('room', 'delete-status', str(planned.delete_id))}` shows its report",
        )
    aliases = tuple(alias for alias in shut_down.local_aliases if _room_of_alias(observer, alias) == new)
    planned = replace(planned, new_room_id=new, aliases=aliases)
    failure: SynadminError | None = None
    if not options.muted:
        try:
            _configure(recovery, planned, options)
            _set_addresses(recovery, planned, options)
        except SynadminError as error:
            failure = error
    was_in = planned.members or shut_down.kicked_users
    members = {user for user in was_in if user != options.admin}
    if not options.muted:
        outside = members - set(recovery.synapse.rooms.members(new).members)
        _join_or_invite(recovery, options, new, sorted(outside))
    not_invited = _invite(recovery, planned, options)
    observer.forget(options.admin)
    view = view_to_edit(observer, new)
    inside = set(recovery.synapse.rooms.members(new).members)
    not_removed = _users_not_moved(observer, planned.room_id, set(shut_down.failed_to_kick_users), inside)
    rules = observer.state_event(new, JOIN_RULES)
    result = replace(
        planned,
        moved=tuple(sorted(members & inside)),
        not_moved=tuple(sorted({*(members - inside if planned.members else ()), *not_removed})),
        not_invited=not_invited,
        control=observer.membership(options.admin, new) == "join"
        and view.levels.level_of(options.admin) >= view.levels.control,
        may_speak=view.levels.users_default >= view.levels.needed("m.room.message", state=False),
        join_rule=None if rules is None else str(rules.content.get("join_rule")),
    )
    return _outcome(result, shut_down, failure)


def _users_not_moved(
    observer: Observer, room_id: RoomId, failed: set[UserId], inside: set[UserId]
) -> set[UserId]:
    """Return the users who were not moved, of those that Synapse reports as failed.

    A user who has left the old room and was brought into the new one here is moved.
    """
    if not failed:
        return failed
    try:
        return failed & ({*observer.synapse.rooms.members(room_id).members} | (failed - inside))
    except NotFoundError:  # it is purged: it has no members
        return failed - inside
    except SynadminError:
        return failed


def _invite(recovery: Recovery, planned: Replacement, options: ReplaceOptions) -> tuple[UserId, ...]:
    """Invite those who were invited to the old room; return those who could not be."""
    new = planned.new_room_id
    if new is None:
        return ()
    there = {
        event.state_key
        for event in state_of(recovery.synapse, new, MEMBER)
        if event.content.get("membership") in {"join", "invite"}
    }
    waiting = [user for user in planned.invited if user not in there and user != options.admin]
    if options.admin != recovery.synapse.owner and options.allow < Reach.IMPERSONATE:
        return tuple(waiting)
    failed = []
    for user in waiting:
        try:
            recovery.as_user(options.admin).client_server.invite(new, user)
        except MatrixError:
            failed.append(user)
    return tuple(failed)


def _outcome(result: Replacement, shut_down: RoomShutDown, failure: SynadminError | None) -> Replacement:
    """Return the final result, from the state read back."""
    words = [f"{result.new_room_id} replaces it; {len(result.moved)} moved there"]
    shortfall: str | None = None
    if result.not_moved:
        shortfall = "not-moved"
        words.append(f"not moved: {', '.join(result.not_moved)}")
    if result.not_invited:
        shortfall = "not-invited"
        words.append(f"invited to the old room but not to the new one: {', '.join(result.not_invited)}")
    lost = [alias for alias in shut_down.local_aliases if alias not in result.aliases]
    if lost:
        shortfall = "aliases-astray"
        words.append(f"aliases that do not point there: {', '.join(lost)}")
    if failure is not None:
        shortfall = "server-error"
        words.append(f"its levels could not be set ({failure}): run it again")
    if not result.control:
        shortfall = "no-control"
        words.append(f"{result.admin} does not have control of it")
    if not result.may_speak:
        words.append(f"only {result.admin} can send messages in it")
    return replace(
        result,
        outcome=outcome.PARTLY if shortfall else outcome.DONE,
        reason=shortfall,
        message="; ".join(words) + ".",
    )


def _configure(recovery: Recovery, planned: Replacement, options: ReplaceOptions) -> None:
    """Copy join rule, topic, encryption and other settings of the old room; let members send messages."""
    observer = recovery.observer
    new = planned.new_room_id
    if new is None:
        return
    event = observer.state_event(new, POWER_LEVELS)
    levels = {} if event is None else event.content
    if levels.get("users_default") != _MUTED:
        return  # done already
    # The join rule is sent first: until then every user may join. Where the old join rule is not known,
    # the new room is closed.
    wanted: dict[str, dict[str, Any]] = {JOIN_RULES: {"join_rule": "invite"}}
    wanted |= {
        kind: dict(content)
        for kind, content in planned.inherited.items()
        if kind not in {POWER_LEVELS, CANONICAL_ALIAS}
    }
    old = planned.inherited.get(POWER_LEVELS, {}).get("events_default")
    speaking = {"events_default": old} if isinstance(old, int) and old > 0 else {}
    # The levels are sent last: they tell a later run that the other events were sent.
    wanted[POWER_LEVELS] = {**levels, "users_default": 0, **speaking}
    for kind, content in wanted.items():
        now = observer.state_event(new, kind)
        if content and (now is None or now.content != content):
            recovery.as_user(options.admin).client_server.send_state(new, kind, content)


def _set_addresses(recovery: Recovery, planned: Replacement, options: ReplaceOptions) -> None:
    """Publish the old room's aliases in the new room, to which they point now, unless it has some."""
    new, content = planned.new_room_id, _addresses(planned)
    if new is not None and content and recovery.observer.state_event(new, CANONICAL_ALIAS) is None:
        recovery.as_user(options.admin).client_server.send_state(new, CANONICAL_ALIAS, content)


def _addresses(planned: Replacement) -> dict[str, Any]:
    """Return the aliases of the old room that point to the new one."""
    old = planned.inherited.get(CANONICAL_ALIAS, {})
    main = old.get("alias") or (planned.details.canonical_alias if planned.details else None)
    others = [alias for alias in old.get("alt_aliases") or () if alias in planned.aliases]
    content = {"alias": main} if main in planned.aliases else {}
    return {**content, "alt_aliases": others} if others else content


def _room_of_alias(observer: Observer, alias: RoomAlias) -> RoomId | None:
    try:
        return observer.synapse.client_server.resolve_alias(alias).room_id
    except MatrixError:
        return None
