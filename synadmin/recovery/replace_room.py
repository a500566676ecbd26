"""Replace a room that no local user can regain by a new room: the last resort.

Synapse moves the local users from the old room to a new one, and points the aliases to the new one. The new
room is public, though not listed, and every user except its admin is muted; no option of Synapse changes
this. So the room is closed as soon as its id is known, and then the members are brought in. In the end it is
read back.

Source: ``RoomShutdownHandler`` in ``synapse/handlers/room.py``.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synadmin.api.room_deletion import DeletionOptions
from synadmin.api.rooms import RoomDetails
from synadmin.errors import NotFoundError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.journal import entries
from synadmin.power.events import CANONICAL_ALIAS, JOIN_RULES, MEMBER, POWER_LEVELS, SPACE
from synadmin.power.room import AccountState, Goal, Reach
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery import outcome
from synadmin.recovery.observer import Observer, local_members
from synadmin.recovery.outcome import room_record
from synadmin.recovery.reader import state_of
from synadmin.text import command

_INHERITED = (
    JOIN_RULES,
    "m.room.history_visibility",
    "m.room.encryption",
    "m.room.topic",
    "m.room.avatar",
    CANONICAL_ALIAS,
)
NOTE = "inherits"
"""The name of the note of :func:`to_note` in the journal."""
_MESSAGE = "This room replaces one that no active admin controlled."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOptions:
    """The options of a replacement.

    Attributes:
        admin: the local user who is to control the new room.
        name: the name of the new room; None: the old name.
        message: the first message in the new room; None: a message that says why the room exists.
        allow: how far the run may go to configure the new room.
        muted: leave the new room as Synapse makes it.
        purge: remove the old room from the database.
        block: keep local users from joining the old room again.
        anyway: replace the room even if it could be regained.
    """

    admin: UserId
    name: str | None = None
    message: str | None = None
    allow: Reach = Reach.API
    muted: bool = False
    purge: bool = False
    block: bool = False
    anyway: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The state of a room's replacement. See ``as_record`` for the shape."""

    room_id: RoomId
    admin: UserId
    outcome: str
    message: str
    reason: str | None = None
    details: RoomDetails | None = None
    members: tuple[UserId, ...] = ()
    invited: tuple[UserId, ...] = ()
    inherited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    delete_id: str | None = None
    new_room_id: RoomId | None = None
    moved: tuple[UserId, ...] = ()
    not_moved: tuple[UserId, ...] = ()
    not_invited: tuple[UserId, ...] = ()
    aliases: tuple[RoomAlias, ...] = ()
    control: bool = False
    may_speak: bool | None = None
    join_rule: str | None = None

    def as_record(self) -> dict[str, Any]:
        """Return the replacement as scripts get it."""
        return {
            "room_id": self.room_id,
            "room": room_record(self.details),
            "admin": self.admin,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "members": list(self.members),
            "new_room_id": self.new_room_id,
            "delete_id": self.delete_id,
            "moved": list(self.moved),
            "not_moved": list(self.not_moved),
            "invited": list(self.invited),
            "not_invited": list(self.not_invited),
            "aliases": list(self.aliases),
            "control": self.control,
            "members_may_speak": self.may_speak,
            "join_rule": self.join_rule,
        }


def plan_replacement(
    observer: Observer, room_id: RoomId, options: ReplaceOptions, journal: Path
) -> Replacement:
    """Read a room: the members and aliases to move, and whether the room has to be replaced.

    Args:
        observer: looks at rooms.
        room_id: the room.
        options: the options.
        journal: has the earlier state of the room, where a run has begun to replace it.

    Returns:
        A replacement that is planned or refused; with ``delete_id``, it was begun by an earlier run.

    Raises:
        NotFoundError: the server knows no such room.
    """
    earlier = _earlier(observer, room_id, options, journal)
    if earlier is not None:
        return earlier
    synapse = observer.synapse
    details = synapse.rooms.get(room_id)
    planned = Replacement(
        room_id=room_id,
        admin=options.admin,
        outcome=outcome.PLANNED,
        message=f"A new room replaces it, controlled by {options.admin}.",
        details=details,
        members=local_members(synapse, room_id),
        invited=_invited(observer, room_id),
        inherited=_inherited(observer, room_id),
    )
    refusal = _objection(observer, planned, options)
    if refusal is None:
        return planned
    return replace(planned, outcome=outcome.REFUSED, reason=refusal[0], message=refusal[1])


def _inherited(observer: Observer, room_id: RoomId) -> dict[str, dict[str, Any]]:
    """Return the state of the old room for the new one, as far as it can still be read."""
    events = {kind: observer.state_event(room_id, kind) for kind in (*_INHERITED, POWER_LEVELS)}
    return {kind: event.content for kind, event in events.items() if event is not None}


def _invited(observer: Observer, room_id: RoomId) -> tuple[UserId, ...]:
    """Return who was invited to the old room, of this server and of others."""
    events = state_of(observer.synapse, room_id, MEMBER)
    invited = (event for event in events if event.content.get("membership") == "invite")
    return tuple(sorted(UserId(event.state_key) for event in invited))


def _earlier(
    observer: Observer, room_id: RoomId, options: ReplaceOptions, journal: Path
) -> Replacement | None:
    """Return a replacement that has begun already, perhaps by a run that was interrupted."""
    synapse = observer.synapse
    try:
        deletions = synapse.room_deletion.of_room(room_id).results
    except NotFoundError:
        return None
    noted = _noted(journal, room_id)
    # A failed deletion counts too, where there is no other: a second deletion would make a second new room.
    latest_first = deletions[::-1]
    for deletion in sorted(latest_first, key=lambda deletion: deletion.status == "failed"):
        new = None if deletion.shutdown_room is None else deletion.shutdown_room.new_room_id
        # Until Synapse names the new room, only the journal tells that the deletion will make one.
        will_make_one = bool(noted) and deletion.status in {"scheduled", "active"}
        if new is not None or will_make_one:
            details: RoomDetails | None = None
            with contextlib.suppress(NotFoundError):
                details = synapse.rooms.get(room_id)
            return Replacement(
                room_id=room_id,
                admin=options.admin,
                outcome=outcome.PLANNED,
                message=f"It is being replaced by {new or 'a new room'} already: this run continues it.",
                details=details,
                members=tuple(UserId(user) for user in noted.get("members", ())),
                invited=tuple(UserId(user) for user in noted.get("invited", ())),
                inherited=noted.get("state", {}),
                delete_id=deletion.delete_id,
                new_room_id=new,
            )
    return None


def to_note(planned: Replacement) -> dict[str, Any]:
    """Return the notes for the journal: Synapse forgets a room's state when its last user has left."""
    state = {kind: dict(content) for kind, content in planned.inherited.items()}
    people = {"members": list(planned.members), "invited": list(planned.invited)}
    return {"room_id": planned.room_id, **people, "state": state}


def _noted(journal: Path, room_id: RoomId) -> dict[str, Any]:
    note: dict[str, Any] = {}
    for entry in entries(journal, room=room_id):
        noted = entry.get(NOTE)
        if isinstance(noted, dict):
            note = noted
    return note


def _objection(observer: Observer, planned: Replacement, options: ReplaceOptions) -> tuple[str, str] | None:
    """Return why a room is not replaced: a code and a sentence; None where it is."""
    account = observer.account(options.admin)
    if account.state is not AccountState.ACTIVE:
        code = "unknown" if account.state is AccountState.MISSING else account.state
        return (
            f"target-{code}",
            f"The account of {options.admin} is {account.state}: it could not use the room.",
        )
    if account.guest:
        return "target-guest", f"{options.admin} is a guest account: no user can sign in to it again."
    if options.admin != observer.synapse.owner and not options.muted:
        mute = (
            f"In the room that Synapse creates, only {options.admin} can send messages, and anyone can join."
        )
        if observer.cannot_act:
            return "not-permitted", (
                f"{mute} Only they can change that. {observer.means.why_not} Use your own account as admin, "
                "or keep it so with --muted."
            )
        if options.allow < Reach.IMPERSONATE:
            return "needs-impersonate", (
                f"{mute} To change that, act as {options.admin} for a short time: --allow impersonate. "
                f"--muted leaves it as it is."
            )
    return None if options.anyway else _not_lost(observer, planned, options)


def _not_lost(observer: Observer, planned: Replacement, options: ReplaceOptions) -> tuple[str, str] | None:
    """Return why a room need not, or should not, be replaced: a code and a sentence."""
    if planned.details is not None and planned.details.room_type == SPACE:
        return (
            "is-a-space",
            "It is a space, and Synapse's new room is not a space. --anyway replaces it.",
        )
    caller = observer.synapse.owner
    for target in dict.fromkeys((options.admin, caller)):
        way = _how_to_regain(observer, planned.room_id, target, caller)
        if way is not None:
            return way
    return None


def _how_to_regain(
    observer: Observer, room_id: RoomId, target: UserId, caller: UserId
) -> tuple[str, str] | None:
    """Return how the room itself could be regained for a user; None where it could not."""
    goal = Goal(target=target, caller=caller, allow=Reach.REACTIVATE)
    answer = observer.observe(room_id, goal).answer
    insist = "--anyway replaces it."
    if isinstance(answer, Refusal) and answer.reason == "room-blocked":
        return "room-blocked", (
            "The room is blocked on this server, which may be the only problem: run "
            f"`{command('room', 'unblock', room_id)}` and try again. {insist}"
        )
    if not isinstance(answer, Plan):
        return None
    if not answer.steps and answer.outcome == outcome.DONE:
        return "not-lost", f"{target} already has control of it. {insist}"
    user = () if target == caller else ("--user", target)
    allow = ("--allow", str(answer.reach)) if answer.reach else ()
    make_admin = command("room", "make-admin", room_id, *user, *allow)
    return "can-be-regained", f"The room itself can be regained: `{make_admin}`. {insist}"


def deletion_options(planned: Replacement, options: ReplaceOptions) -> DeletionOptions:
    """Return the options of the deletion that makes the new room."""
    details = planned.details
    old_name = (details.name or details.canonical_alias) if details else None
    return {
        "new_room_user_id": options.admin,
        "room_name": options.name or old_name or "New room",
        "message": options.message or _MESSAGE,
        "purge": options.purge,
        "block": options.block,
    }
