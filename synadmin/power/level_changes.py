"""Edits of a room's power levels: their changes, the users who lose power, and the reasons against them.

An edit names the levels that change; everything else in the event stays as it is.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.levels import CREATOR_LEVEL, HIGHEST_NUMBER, format_level
from synadmin.power.room import RoomView
from synadmin.power.search import unnamed_member

NAMED = ("users_default", "events_default", "state_default", "invite", "kick", "ban", "redact")
"""The levels that belong to no user and to no event type."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit of power levels.

    Attributes:
        users: the new levels by user; None removes the entry, so that ``users_default`` applies.
        events: the new levels by event type; None removes the entry, so that the default applies.
        named: the new levels by name; the names are :data:`NAMED`.
    """

    users: Mapping[UserId, int | None] = field(default_factory=dict)
    events: Mapping[str, int | None] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)

    def applied(self, view: RoomView) -> dict[str, Any]:
        """Return the content to send."""
        content = view.levels.written()
        for part, changes in (("users", self.users), ("events", self.events)):
            if not changes:
                continue
            entries = dict(content.get(part, {}))
            for name, level in changes.items():
                if level is None:
                    entries.pop(name, None)
                else:
                    entries[name] = level
            content[part] = entries
        return {**content, **self.named}


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One change of an edit, for a person to read."""

    what: str
    before: int
    after: int

    @property
    def text(self) -> str:
        """The difference as a line."""
        return f"{self.what}: {format_level(self.before)} -> {format_level(self.after)}"


def changes(view: RoomView, edit: Edit) -> tuple[LevelChange, ...]:
    """Return the changes that an edit makes; empty where the room already has its levels."""
    before, after = view.levels, edited(view, edit).levels
    differences = [
        LevelChange(user, before.level_of(user), after.level_of(user))
        for user in edit.users
        if before.level_of(user) != after.level_of(user)
    ]
    differences += [
        LevelChange(f"sending {type_}", before.needed(type_), after.needed(type_))
        for type_ in edit.events
        if before.needed(type_) != after.needed(type_)
    ]
    differences += [
        LevelChange(name, getattr(before, name), getattr(after, name))
        for name in edit.named
        if getattr(before, name) != getattr(after, name)
    ]
    return tuple(differences)


def change_records(view: RoomView, edit: Edit) -> list[dict[str, object]]:
    """Return the changes that an edit makes, as records show them."""
    return [
        {"what": change.what, "before": format_level(change.before), "after": format_level(change.after)}
        for change in changes(view, edit)
    ]


def edited(view: RoomView, edit: Edit) -> RoomView:
    """Return the room as it is after an edit."""
    return replace(view, power_levels=edit.applied(view))


def merged(
    base: Mapping[str, Any], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Merge two contents of the levels that are based on the same content.

    Returns:
        ``theirs`` with the changes from ``base`` to ``ours``, and the names of the levels that both have
        changed to different values.
    """
    content = dict(theirs)
    conflicts: list[str] = []
    for name in dict.fromkeys((*base, *theirs, *ours)):
        old, other, own = (part.get(name) for part in (base, theirs, ours))
        if own in (old, other):
            continue
        if all(isinstance(part, Mapping) for part in (old or {}, other or {}, own or {})):
            content[name], names = merged(old or {}, other or {}, own or {})
            conflicts += names
        elif other != old:
            conflicts.append(name)
        elif own is None:
            content.pop(name, None)
        else:
            content[name] = own
    return content, tuple(conflicts)


def losses(view: RoomView, edit: Edit) -> Iterator[tuple[UserId, tuple[str, ...]]]:
    """Yield the users who can do less than before, each with what they can no longer do."""
    after = edited(view, edit).levels
    for user in dict.fromkeys((*view.levels.listed(), *after.listed())):
        had = view.levels.abilities(view.levels.level_of(user))
        has = after.abilities(after.level_of(user))
        lost = tuple(old.text for old, new in zip(had, has, strict=True) if old.allowed and not new.allowed)
        if lost:
            yield user, lost


def validation_error(view: RoomView, edit: Edit) -> str | None:
    """Return why an edit must not be made by any user; None where it may be."""
    for level in (*edit.users.values(), *edit.events.values(), *edit.named.values()):
        if level is not None and not -HIGHEST_NUMBER <= level <= HIGHEST_NUMBER:
            return f"{level} is not a power level: use whole numbers up to {HIGHEST_NUMBER}"
    creator = next((user for user in edit.users if view.levels.is_creator(user)), None)
    if creator is not None:
        return (
            f"{creator} created the room, and in version {view.version} a creator is above every level: "
            "no level can be set for them"
        )
    return None


def locks_everybody_out(view: RoomView, edit: Edit) -> str | None:
    """Return a refusal where an edit takes the last control out of the room, else None."""
    if any(controllers(edited(view, edit))) or not any(controllers(view)):
        return None
    return "no user could ever change the room's power levels again"


def takes_last_local_control(view: RoomView, edit: Edit) -> bool:
    """Whether local users have control now, and none of them would have it afterwards."""
    had = [user for user in controllers(view) if view.is_local(user)]
    has = [user for user in controllers(edited(view, edit)) if view.is_local(user)]
    return bool(had) and not has


def gives_everybody_control(view: RoomView, edit: Edit) -> bool:
    """Whether every member would have control afterwards, listed or not, and does not have it now."""
    before, after = view.levels, edited(view, edit).levels
    return before.users_default < before.control and after.users_default >= after.control


def controllers(view: RoomView) -> Iterator[UserId]:
    """Yield the joined users with control who are known by name."""
    levels = view.levels
    for user in dict.fromkeys((*view.levels.creators, *levels.listed(), *view.memberships)):
        if view.has_control(user):
            yield user
    if levels.users_default >= levels.control and view.unknown_local_members:
        yield unnamed_member(view)


def possible_actors(view: RoomView, edit: Edit, *, joined: bool = False) -> Iterator[UserId]:
    """Yield the local users who may make the edit by the rules, once they are in the room.

    Args:
        view: the room.
        edit: the edit.
        joined: only those who are in the room now.
    """
    content = edit.applied(view)
    if rules.unacceptable(content, view.levels.version) is not None:
        return
    # Both are built once, not for each user: a room may have a thousand users with power.
    new_levels, memberships = rules.NewLevels(view, content), dict(view.memberships)
    users = (*view.levels.creators, *view.levels.listed(), *view.memberships)
    for user in sorted(dict.fromkeys(users), key=lambda user: (-view.levels.level_of(user), user)):
        is_joined = view.membership_of(user) == "join"
        if not view.is_local(user) or (joined and not is_joined):
            continue
        inside = view
        if not is_joined:
            inside = replace(view, memberships=ChainMap({user: "join"}, memberships))
        if new_levels.sent_by(inside, user) is None:
            yield user


def equal_remote_admins(view: RoomView, edit: Edit) -> tuple[UserId, ...]:
    """Return users of other servers whose level no local user can lower, because none has a higher one."""
    best = max((view.levels.level_of(user) for user in controllers(view) if view.is_local(user)), default=-1)
    return tuple(
        user
        for user in edit.users
        if not view.is_local(user) and best <= view.levels.level_of(user) < CREATOR_LEVEL
    )
