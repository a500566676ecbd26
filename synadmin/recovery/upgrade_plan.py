"""Planning the upgrade of a room: the user who upgrades, the creators, the members and spaces that follow.

From room version 12 on the creators of a room own it: none can be added later or lose the power.
Synapse makes the new room, copies levels, join rule and bans, and moves the aliases. It leaves out the
members and the spaces. After an interrupted run, only the rest is planned.

Source: ``RoomCreationHandler.upgrade_room`` in ``synapse/handlers/room.py``; Matrix specification, "Room
Upgrades".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId
from synadmin.power import rules
from synadmin.power.events import JOIN_RULES, SPACE, SPACE_CHILD, SPACE_PARENT, TOMBSTONE
from synadmin.power.levels import RoomVersion
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.power.steps import Plan, Refusal
from synadmin.recovery import outcome
from synadmin.recovery.observer import Observer
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.parent_spaces import ParentSpace, SpaceIndex, editor_of, rooms_tied_to
from synadmin.recovery.room_control import RoomControl, control_of
from synadmin.text import command, option_words

UNCHANGED = "unchanged"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class UpgradeOptions:
    """The options of an upgrade.

    Attributes:
        version: the version of the new room.
        creators: further creators beside the user who upgrades.
        explicit: the version was named; it is not the server's default.
        allow: how far it may go.
    """

    version: str
    creators: tuple[UserId, ...] = ()
    explicit: bool = False
    allow: Reach = Reach.API


@dataclass(frozen=True, slots=True)
class SpaceStep(StepTaken):
    """A step that puts the new room in a space, in place of the old one.

    Attributes:
        space: the space. It keeps the old room where no user can change it (``as_user`` is None).
    """

    space: ParentSpace = field(kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomUpgrade:
    """The plan or result of the upgrade of a room.

    Attributes:
        control: the room before, with its local members.
        outcome: ``planned``, ``refused``, ``unchanged``; then ``done``, ``partly``, ``pending``: members have
            yet to accept an invitation, or ``unknown``: the new room was not read back.
        message: the state now, and what to do.
        reason: why it was refused or failed.
        actor: the local user who upgrades, and is a creator of the new room.
        creators: the creators of the new room, the actor first.
        join_rule: the join rule of the old room.
        invited, joined: the local users to bring into the new room.
        spaces: the spaces that the old room is in.
        new_room_id: the new room, once it exists.
        steps: the steps, in order.
    """

    control: RoomControl
    outcome: str
    message: str
    reason: str | None = None
    actor: UserId | None = None
    creators: tuple[UserId, ...] = ()
    join_rule: str = "invite"
    invited: tuple[UserId, ...] = ()
    joined: tuple[UserId, ...] = ()
    spaces: tuple[ParentSpace, ...] = ()
    new_room_id: RoomId | None = None
    version: str | None = None
    members_after: int | None = None
    steps: tuple[StepTaken, ...] = ()

    @property
    def room_id(self) -> RoomId:
        """The old room."""
        return self.control.view.room_id

    @property
    def is_space(self) -> bool:
        """Whether the room is a space."""
        return self.control.details.room_type == SPACE

    def as_record(self) -> dict[str, Any]:
        """Return the upgrade as ``room upgrade -o json`` shows it."""
        return {
            "room_id": self.room_id,
            "room": self.control.room,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "new_room_id": self.new_room_id,
            "version": self.version,
            "creators": list(self.creators),
            "members": {"before": len(self.control.view.known_local_members), "after": self.members_after},
            "spaces": [space.room_id for space in self.spaces],
            "steps": [step.as_record() for step in self.steps],
        }


def plan_upgrade(
    observer: Observer, room_id: RoomId, options: UpgradeOptions, spaces: SpaceIndex
) -> RoomUpgrade:
    """Plan the upgrade of a room, or the rest of an interrupted one; nothing is changed.

    Raises:
        NotFoundError: the server knows no such room.
    """
    control = control_of(observer, room_id)
    start = RoomUpgrade(control=control, outcome=outcome.REFUSED, message="")
    tombstone = observer.state_event(room_id, TOMBSTONE)
    replacement = None if tombstone is None else tombstone.content.get("replacement_room")
    if isinstance(replacement, str):
        return _plan_rest(observer, start, RoomId(replacement), options, spaces)
    refusal = _objection(observer, control, options)
    if refusal is not None:
        kind = UNCHANGED if refusal[0] is None else outcome.REFUSED
        return replace(start, outcome=kind, reason=refusal[0], message=refusal[1])
    actor = _actor(observer, control, options)
    if actor is None:
        reason, message = _why_no_actor(observer, control, options)
        return replace(start, reason=reason, message=message)
    named = [user for user in options.creators if user != actor]
    creators = (actor, *named) if RoomVersion.of(options.version).creator_power else (actor,)
    planned = replace(start, outcome=outcome.PLANNED, actor=actor, creators=creators, version=options.version)
    beside = f", with {join_users(named)} as creator beside {actor}" if named else ""
    steps = [
        StepTaken("upgrade", actor, f"As {actor} upgrade the room to version {options.version}{beside}.")
    ]
    planned = _with_rest(observer, planned, steps, spaces, options, present={actor})
    return replace(planned, message=_outlook(planned))


def _objection(
    observer: Observer, control: RoomControl, options: UpgradeOptions
) -> tuple[str | None, str] | None:
    """Return why a room is not upgraded, as a reason and a sentence; no reason where it needs no upgrade."""
    view, wanted = control.view, RoomVersion.of(options.version)
    if not view.in_room:
        return "not-in-room", "No user of this server is in the room."
    if view.levels.version.creator_power and not wanted.creator_power:
        return "older-version", (
            f"The room has version {view.version}: in version {options.version} its creators would lose "
            "their power."
        )
    if view.version == options.version:
        if not options.creators and not options.explicit:
            return None, f"already version {view.version}"
        if set(options.creators) <= set(view.creators):
            return None, f"already version {view.version}, and {join_users(view.creators)} created it"
    if view.power_levels is None:
        return "insufficient-power", (
            "The room has no power levels: Synapse cannot upgrade it. Set one first: "
            f"`{command('room', 'set-power', view.room_id, 'USER', '100')}`."
        )
    return _objection_to_creators(observer, view, options)


def _objection_to_creators(
    observer: Observer, view: RoomView, options: UpgradeOptions
) -> tuple[str | None, str] | None:
    elsewhere = [user for user in options.creators if not view.is_local(user)]
    foreign = observer.member_events(view.room_id) if elsewhere else {}
    for user in options.creators:
        membership = observer.membership(user, view.room_id) if view.is_local(user) else foreign.get(user)
        if membership == "ban":
            return (
                "target-banned",
                f"{user} is banned from the room and cannot be a creator: lift the ban first.",
            )
    return None


def _actor(observer: Observer, control: RoomControl, options: UpgradeOptions) -> UserId | None:
    """Return the local user who upgrades: one with control, since the new room's creator has all power."""
    view, caller = control.view, observer.synapse.owner
    able = [
        user
        for user in control.controllers
        if (user == caller or options.allow >= Reach.IMPERSONATE)
        and rules.sending_state(view, user, TOMBSTONE) is None
        and observer.reach_as(user) in {Reach.API, Reach.IMPERSONATE}
    ]
    return min(
        able,
        key=lambda user: (user not in options.creators, user != caller, -view.levels.level_of(user), user),
        default=None,
    )


def _why_no_actor(observer: Observer, control: RoomControl, options: UpgradeOptions) -> tuple[str, str]:
    room_id, caller = control.view.room_id, observer.synapse.owner
    make_admin = command("room", "make-admin", room_id)
    if options.allow < Reach.IMPERSONATE and not observer.cannot_act:
        other = _actor(observer, control, replace(options, allow=Reach.IMPERSONATE))
        if other is not None:
            version = options.version if options.explicit else None
            words = option_words(to_version=version, creator=[*options.creators], allow=Reach.IMPERSONATE)
            return "needs-impersonate", (
                f"Your account may not upgrade the room. `{command('room', 'upgrade', room_id, *words)}` "
                f"acts as {other}, who is a creator of the new room then. Or take control first: "
                f"`{make_admin}`."
            )
    why = "No local user with control may upgrade the room."
    answer = observer.observe(room_id, Goal(target=caller, caller=caller, allow=Reach.REACTIVATE)).answer
    if isinstance(answer, Refusal):
        return "insufficient-power", f"{why} {answer.message}"
    if isinstance(answer, Plan) and answer.reach:
        make_admin = command("room", "make-admin", room_id, "--allow", str(answer.reach))
    return "insufficient-power", f"{why} Take control first: `{make_admin}`."


def _plan_rest(
    observer: Observer, start: RoomUpgrade, new: RoomId, options: UpgradeOptions, spaces: SpaceIndex
) -> RoomUpgrade:
    """Plan the rest of an earlier run: members and spaces that have not followed to the new room."""
    start = replace(start, new_room_id=new, reason="already-upgraded")
    try:
        control = control_of(observer, new)
    except NotFoundError:
        return replace(
            start, message=f"The room was upgraded: {new} has replaced it, which this server does not know."
        )
    version, creators = control.view.version, control.view.creators
    if not control.view.in_room:
        return replace(
            start, message=f"The room was upgraded: {new} has replaced it; no local user is in that."
        )
    start = replace(start, version=version, creators=creators)
    if version != options.version or not set(options.creators) <= set(creators):
        message = (
            f"The room was upgraded already: {new} has replaced it (version {version}). Upgrade that one."
        )
        return replace(start, message=message)
    present = {UserId(user) for user in observer.member_events(new)}
    actor = editor_of(observer, new, (SPACE_PARENT,), allow=options.allow, first=creators)
    planned = _with_rest(observer, replace(start, actor=actor), [], spaces, options, present=present)
    if not planned.steps:
        message = f"already upgraded: {new} has replaced it"
        return replace(planned, outcome=UNCHANGED, reason=None, message=message)
    message = f"{new} has replaced it already: the rest of the upgrade follows."
    return replace(planned, outcome=outcome.PLANNED, reason=None, message=message)


def _with_rest(
    observer: Observer,
    planned: RoomUpgrade,
    steps: list[StepTaken],
    spaces: SpaceIndex,
    options: UpgradeOptions,
    *,
    present: set[UserId],
) -> RoomUpgrade:
    """Add the members and the spaces that are to follow.

    Args:
        observer: looks at the server.
        planned: the upgrade so far.
        steps: its steps so far.
        spaces: the spaces of the server.
        options: the options.
        present: users who are or were in the new room, or invited to it.
    """
    view, room_id = planned.control.view, planned.room_id
    event = observer.state_event(room_id, JOIN_RULES)
    join_rule = str(event.content.get("join_rule", "invite")) if event is not None else "invite"
    public = join_rule == "public"
    actor = planned.actor
    members = [user for user in view.known_local_members if user not in present]
    joined = members if public else []
    owners = [user for user in planned.creators if user not in present and user not in joined]
    invited = list(dict.fromkeys([*owners, *([] if public else members)]))
    if joined:
        steps.append(StepTaken("join", None, f"Join {_counted(joined)} to the new room: it is public."))
    if invited and actor is not None:
        steps.append(StepTaken("invite", actor, f"As {actor} invite {_counted(invited)} to the new room."))
    parents = spaces.parents_of(room_id)
    for space in parents:
        editor = editor_of(
            observer, space.room_id, (SPACE_CHILD,), allow=options.allow, first=(actor,) if actor else ()
        )
        detail = f"put the new room into the space {space.room_id} and take the old one out."
        if editor is None:
            detail = (
                f"The space {space.room_id} keeps the old room: no user that you can act as may change it."
            )
        detail = f"As {editor} {detail}" if editor else detail
        steps.append(SpaceStep("space", editor, detail, space=space))
    if planned.is_space:
        tied = sum(1 for _ in rooms_tied_to(observer, room_id, planned.new_room_id))
        if tied:
            rooms = "1 room" if tied == 1 else f"{tied} rooms"
            steps.append(StepTaken("rooms", actor, f"Have {rooms} of the space name the new space."))
    return replace(
        planned,
        join_rule=join_rule,
        joined=tuple(joined),
        invited=tuple(invited),
        spaces=parents,
        steps=tuple(steps),
    )


def _outlook(planned: RoomUpgrade) -> str:
    """Return a message on the state after the upgrade, and on the users who lose power."""
    view = planned.control.view
    message = (
        f"A new room of version {planned.version} replaces it, created by {join_users(planned.creators)}."
    )
    lose = [user for user in view.creators if view.levels.is_creator(user) and user not in planned.creators]
    if lose:
        message += f" {join_users(lose)} created this one and has no power in the new one."
    elsewhere = (planned.control.details.joined_members or 0) - len(view.known_local_members)
    if elsewhere > 0 and planned.join_rule != "public":
        users = "1 member" if elsewhere == 1 else f"{elsewhere} members"
        message += f" {users} of other servers are not invited."
    return message


def join_users(users: Sequence[str]) -> str:
    """Return users for a sentence: all of a few users, the first ones of many."""
    return ", ".join(users[:_MOST_NAMED]) + (
        f" and {len(users) - _MOST_NAMED} more" if len(users) > _MOST_NAMED else ""
    )


def _counted(users: Sequence[str]) -> str:
    return "1 local member" if len(users) == 1 else f"{len(users)} local members"
