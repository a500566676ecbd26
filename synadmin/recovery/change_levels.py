"""Edit the power levels of a room as a user who may: read, choose the user, send, read back."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from synadmin.api.rooms import StateEvent
from synadmin.client import Synapse
from synadmin.errors import (
    NotFoundError,
    NotPermittedError,
    RefusedError,
    SynadminError,
    WouldLoseControlError,
)
from synadmin.ids import EventId, RoomId, UserId
from synadmin.power import level_changes, rules
from synadmin.power.events import POWER_LEVELS
from synadmin.power.level_changes import Edit
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState, Reach, RoomView
from synadmin.power.search import unnamed_member
from synadmin.recovery.account_state import enable_temporarily
from synadmin.recovery.observer import Observer, counted
from synadmin.recovery.reader import StateReader
from synadmin.recovery.temporary_membership import TemporaryMembership
from synadmin.recovery.workspace import Recovery
from synadmin.text import command

_NEWEST = 30  # newest events of a room, in which changes of others are searched
_TRIES = 5  # tries to merge a change with those of others


@dataclass(frozen=True, slots=True)
class Actor:
    """The user who sends an edit, and the steps that are needed for it.

    Attributes:
        user: the local user in whose name the levels are sent.
        reach: the reach that this needs.
        state: the present state of the account.
        inviter: the user who invites the sender; None where no invitation is needed.
        enters: the sender has to join for it, and leaves again.
    """

    user: UserId
    reach: Reach
    state: AccountState
    inviter: UserId | None = None
    enters: bool = False

    @property
    def text(self) -> str:
        """A sentence on how the edit is made."""
        steps = [f"Act as {self.user}"]
        if self.reach is Reach.REACTIVATE:
            steps.append(f"reactivate the account ({self.state}) for a short time")
        if self.inviter:
            steps.append(f"accept an invitation by {self.inviter}")
        if self.enters:
            steps.append("join the room for a short time")
        return f"{', '.join(steps)}{',' if len(steps) > 1 else ''} and set the levels."


@dataclass(frozen=True, slots=True)
class EditPlan:
    """An edit of power levels with its actor."""

    view: RoomView
    edit: Edit
    actor: Actor | None
    """None where there is nothing to change."""


def view_to_edit(observer: Observer, room_id: RoomId, also: Collection[UserId] = ()) -> RoomView:
    """Return the view that is needed to edit levels: all local users with power or in ``also``.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    details = observer.synapse.rooms.get(room_id)
    view = observer.widest_view(details, also)
    if not view.in_room or not view.creators:
        raise NotFoundError(
            status=404,
            errcode="M_NOT_FOUND",
            reason=f"this server is no longer in {room_id}: it cannot change anything there",
        )
    levels = view.levels
    holders = dict.fromkeys((*(levels.creators if levels.version.creator_power else ()), *levels.listed()))
    strong = [user for user in holders if levels.level_of(user) >= levels.control]
    return observer.with_remote_users(view, [user for user in strong if not view.is_local(user)])


def plan(
    observer: Observer,
    view: RoomView,
    edit: Edit,
    *,
    allow: Reach,
    leave_rooms: bool,
    undoing: bool = False,
) -> EditPlan:
    """Find the user who can make an edit.

    Args:
        observer: looks at accounts.
        view: the room, from :func:`view_to_edit`.
        edit: the edit.
        allow: how far it may go.
        leave_rooms: allow that no local user has control of the room afterwards.
        undoing: the edit restores earlier levels, even if no member has control afterwards.

    Raises:
        NotFoundError: there is no such user.
        RefusedError: the edit must not or cannot be made; nothing was changed.
    """
    view = _with_edited_users(observer, view, edit)
    if view.uncounted and _any_member_controls(view, edit):
        view = observer.count(view)
    reason = level_changes.validation_error(view, edit)
    if reason is None and not level_changes.changes(view, edit):
        if not undoing:
            _require_existing(observer, view, edit)
        return EditPlan(view, edit, None)
    reason = reason or _missing_account(observer, view, edit)
    if reason is not None:
        raise RefusedError(f"refused: {reason}")
    reason = None if undoing else level_changes.locks_everybody_out(view, edit)
    if reason is not None:
        set_power = command("room", "set-power", view.room_id, "USER", "LEVEL")
        raise WouldLoseControlError(
            f"refused: {reason}", hint=f"give another user control first: `{set_power}`"
        )
    if not leave_rooms and level_changes.takes_last_local_control(view, edit):
        raise WouldLoseControlError(
            "refused: no user of this server would have control of the room",
            hint=keep_control(view.room_id),
        )
    ways = _possible_senders(observer, view, edit)
    if (not ways or ways[0].reach > allow) and _unnamed_member_may_help(view, edit):
        view = _with_helpful_member(observer, view)
        ways = _possible_senders(observer, view, edit)
    if not ways:
        raise RefusedError(_why_refused(observer, view, edit))
    if ways[0].reach > allow:
        raise RefusedError(
            f"refused: {_why_not_alone(view, edit, observer.synapse.owner)}. Possible: {ways[0].text}",
            hint=f"add --allow {ways[0].reach} to permit this",
            reason=f"needs-{ways[0].reach}",
        )
    return EditPlan(view, edit, ways[0])


def keep_control(room_id: RoomId) -> str:
    """Return the hint for a room that no user of this server would have control of."""
    make_admin = command("room", "make-admin", room_id, "--user", "USER")
    return f"give another user control first: `{make_admin}`; or add --leave-rooms"


def _with_edited_users(observer: Observer, view: RoomView, edit: Edit) -> RoomView:
    """Add the users whose levels are to change: they may be the ones who have control afterwards."""
    unseen = [user for user in edit.users if user not in view.memberships]
    view = observer.with_users(view, [user for user in unseen if view.is_local(user)])
    in_control = [user for user in unseen if (edit.users[user] or 0) >= view.levels.control]
    return observer.with_remote_users(view, [user for user in in_control if not view.is_local(user)])


def _any_member_controls(view: RoomView, edit: Edit) -> bool:
    """Whether a member of the room has control, before the edit or after it."""
    levels = (view.levels, level_changes.edited(view, edit).levels)
    return any(level.users_default >= level.control for level in levels)


def _missing_account(observer: Observer, view: RoomView, edit: Edit) -> str | None:
    """Refuse to raise the level of an account that does not exist, and to give a guest control."""
    for change in level_changes.changes(view, edit):
        user = UserId(change.what)
        if user not in edit.users or change.after <= change.before or not view.is_local(user):
            continue
        account = observer.account(user)
        if account.state is AccountState.MISSING:
            return f"there is no account {user}: anyone who registers that name would get the power"
        if account.guest and change.after >= level_changes.edited(view, edit).levels.control:
            return f"{user} is a guest account, and must not get control: no user can sign in to it again"
    return None


def _require_existing(observer: Observer, view: RoomView, edit: Edit) -> None:
    """Refuse local users who do not exist and have no level that can be removed.

    Raises:
        NotFoundError: there is no such account.
    """
    for user in edit.users:
        missing = view.is_local(user) and observer.account(user).state is AccountState.MISSING
        if missing and user not in view.levels.listed() and not view.levels.is_creator(user):
            reason = f"there is no account {user}, and the room has no level for it"
            raise NotFoundError(status=404, errcode="M_NOT_FOUND", reason=reason)


def _possible_senders(observer: Observer, view: RoomView, edit: Edit) -> list[Actor]:
    """Return the users who can make an edit, the one with the least reach first."""
    ways = [
        way
        for user in level_changes.possible_actors(view, edit)
        if (way := way_to_act(observer, view, user)) is not None
    ]

    # A user who joins loses the invitation: invited users are tried after the others.
    invited = {user for user, membership in view.memberships.items() if membership == "invite"}
    return sorted(ways, key=lambda way: (way.reach, way.enters, way.user in invited, way.inviter is not None))


def _unnamed_member_may_help(view: RoomView, edit: Edit) -> bool:
    """Whether a local member who is not known by name might make the edit, or invite."""
    if not view.unknown_local_members:
        return False
    unnamed = unnamed_member(view)
    inside = replace(view, memberships={**view.memberships, unnamed: "join"})
    return (
        unnamed in level_changes.possible_actors(inside, edit)
        or view.levels.users_default >= view.levels.invite
    )


def _with_helpful_member(observer: Observer, view: RoomView) -> RoomView:
    """Add one more local member, who can act."""
    for user in observer.members_not_in(view):
        view = observer.with_member(view, user)
        if observer.reach_as(user) is Reach.IMPERSONATE:
            return view
    return counted(view)


def way_to_act(observer: Observer, view: RoomView, user: UserId) -> Actor | None:
    """Return the way to act as a user in the room; None where there is none."""
    state = observer.account(user).state
    reach = observer.reach_as(user)
    if reach is None:
        return None
    if view.membership_of(user) == "join":
        return Actor(user, reach, state)
    if rules.joining(view, user) is None and not view.blocked:
        return Actor(user, reach, state, enters=True)
    invited = replace(view, memberships={**view.memberships, user: "invite"})
    if view.blocked or rules.joining(invited, user) is not None:
        return None
    for inviter in view.known_local_members:
        needed = observer.reach_as(inviter)
        is_active = observer.account(inviter).state is AccountState.ACTIVE
        if is_active and needed is not None and rules.inviting(view, inviter, user) is None:
            return Actor(user, max(reach, needed), state, inviter, enters=True)
    return None


def _why_not_alone(view: RoomView, edit: Edit, caller: UserId) -> str:
    """Return why the token's owner cannot make an edit that other local users can, as a clause."""
    level = view.levels.level_of(caller)
    if level >= view.levels.control and view.membership_of(caller) == "join":
        for change in level_changes.changes(view, edit):
            if change.what in edit.users and change.what != caller and change.after < change.before == level:
                return (
                    f"{change.what} has the same level as your account ({level}), and users of equal level "
                    "cannot lower each other"
                )
    return "your account has too little power for this"


def _why_refused(observer: Observer, view: RoomView, edit: Edit) -> str:
    if observer.cannot_act and any(True for _ in level_changes.possible_actors(view, edit)):
        return f"refused: this needs acting as another user. {observer.means.why_not}"
    equals = level_changes.equal_remote_admins(view, edit)
    if equals:
        return (
            f"refused: {', '.join(equals)} on another server has at least as much power as any local "
            f"user, and only they can lower it"
        )
    return "refused: no local user has enough power in the room, and none can get it"


def carry_out(recovery: Recovery, planned: EditPlan) -> RoomView:
    """Make an edit, revert temporary changes, and return the room as it is then.

    Raises:
        SynadminError: the edit was not made, or the room does not show it.
    """
    if planned.actor is None:
        return planned.view
    with recovery.lock(planned.view.room_id):
        return carry_out_locked(recovery, planned, planned.actor)


def carry_out_locked(recovery: Recovery, planned: EditPlan, actor: Actor) -> RoomView:
    """Make an edit in a room that this run has locked; see :func:`carry_out`."""
    view, temporary = planned.view, recovery.temporary
    mark = temporary.mark
    try:
        content = _send(recovery, planned, actor)
    finally:
        left = temporary.revert_since(mark)
    if left:
        raise SynadminError(
            f"the levels are set, but these temporary changes were not reverted: {'; '.join(map(str, left))}"
        )
    return replace(after_leaving(view, actor), power_levels=content)


def after_leaving(view: RoomView, actor: Actor) -> RoomView:
    """Return the room after an actor has joined and left: an invitation is gone."""
    return replace(view, memberships={**view.memberships, actor.user: "leave"}) if actor.enters else view


def _send(recovery: Recovery, planned: EditPlan, actor: Actor) -> Mapping[str, Any]:
    view, observer = planned.view, recovery.observer
    base = _unchanged_levels(observer, view, planned.edit)
    acting = start_acting(recovery, view.room_id, actor)
    return send_levels(observer, acting, view, planned.edit, base=base)


def start_acting(recovery: Recovery, room_id: RoomId, actor: Actor) -> Synapse:
    """Prepare to act as a user in a room, until temporary changes are reverted; return the user's client.

    Raises:
        SynadminError: it is not possible to act as the user.
    """
    user = actor.user
    if actor.state is not AccountState.ACTIVE:
        enable_temporarily(recovery.synapse, recovery.temporary, user)
    visiting = TemporaryMembership(recovery, room_id, leaves=actor.state is not AccountState.DEACTIVATED)
    if actor.inviter is not None:
        visiting.invite(user, by=actor.inviter)
    if actor.enters:
        visiting.join(user)
    return recovery.as_user(user)


def _unchanged_levels(observer: StateReader, view: RoomView, edit: Edit) -> StateEvent | None:
    """Return the current levels, if the edit still has the planned effect.

    Raises:
        SynadminError: another user has changed the same level.
        WouldLoseControlError: others have lost control since: the edit would remove the last control.
    """
    event = observer.state_event(view.room_id, POWER_LEVELS)
    now = replace(view, power_levels=None if event is None else event.content)
    foreseen = level_changes.changes(view, edit)
    changed = [change for change in level_changes.changes(now, edit) if change not in foreseen]
    if changed:
        raise SynadminError(
            f"the power levels have changed in the meantime ({changed[0].what} is "
            f"{format_level(changed[0].before)} now): nothing was overwritten",
            hint="run it again",
        )
    for loses in (level_changes.locks_everybody_out, level_changes.takes_last_local_control):
        if loses(now, edit) and not loses(view, edit):
            raise WouldLoseControlError(
                "refused: the power levels have changed: no user of this server would control the room",
                hint=keep_control(view.room_id),
            )
    return event


def send_levels(
    observer: StateReader,
    acting: Synapse,
    view: RoomView,
    edit: Edit,
    *,
    base: StateEvent | None = None,
) -> Mapping[str, Any]:
    """Send an edit of the levels; read back that the edit and concurrent changes of others hold.

    A power-levels event replaces all levels, and of two concurrent events the room keeps one. So levels that
    others have sent since the levels were read are merged with ours, and sent again.

    Args:
        observer: reads the room.
        acting: the server as the user who sends.
        view: the room as it was when the edit was planned.
        edit: the edit.
        base: the levels as they are now; None: they are read.

    Returns:
        The content of the levels that was read back.

    Raises:
        SynadminError: the edit was not sent, or another user changed the same level at the same time.
    """
    room_id = view.room_id
    if base is None:
        base = _unchanged_levels(observer, view, edit)
    content = edit.applied(_with_levels(view, base))
    ours: set[EventId | None] = set()
    merged: set[EventId | None] = set()  # an event of others counts once: after that its levels are in ours
    for _ in range(_TRIES):
        if base is not None and content == base.content:
            return content
        before = {"room_id": room_id, "power_levels": None if base is None else base.content}
        try:
            with acting.transport.recording(before=before):
                ours.add(acting.client_server.send_state(room_id, POWER_LEVELS, content).event_id)
        except NotPermittedError as error:
            if not ours:
                raise
            raise _cannot_repeat(view, edit, base, error) from None
        read = observer.state_event(room_id, POWER_LEVELS)
        if read is None:
            break
        others = _others_since(observer, room_id, base, read, ours | merged)
        if not others:
            if read.event_id in ours:
                return read.content
            break
        content = _merged_with_others(view, edit, base, others.values(), content)
        base = read
        merged.update(others)
    raise SynadminError(
        "the power levels were sent, but the room does not show them",
        hint=f"`{command('room', 'power', room_id)}` shows what holds now",
    )


def _cannot_repeat(
    view: RoomView, edit: Edit, now: StateEvent | None, error: NotPermittedError
) -> SynadminError:
    """Return the error for a sender whose first event lowered the sender: it cannot send again."""
    holds = not level_changes.changes(_with_levels(view, now), edit)
    result = (
        "the levels are set, but a change that another user made at the same time is lost"
        if holds
        else "another user changed the levels at the same time, and overwrote the change"
    )
    return SynadminError(
        f"{result}: sending them again failed: {error}",
        hint=f"`{command('room', 'power', view.room_id)}` shows what holds now",
    )


def _merged_with_others(
    view: RoomView,
    edit: Edit,
    base: StateEvent | None,
    others: Iterable[Mapping[str, Any]],
    content: Mapping[str, Any],
) -> dict[str, Any]:
    """Return our content merged with events of other users that replaced the same event as ours.

    Raises:
        SynadminError: another user has changed a level of the edit.
    """
    made_from = _with_levels(view, base).levels.written()
    theirs: Mapping[str, Any] = made_from
    for other in others:
        later = _with_levels(view, other).levels.written()
        theirs, _ = level_changes.merged(made_from, later, theirs)  # the later change counts
    merged, different = level_changes.merged(made_from, theirs, content)
    # If others set a level twice, our content has the first value.
    if conflicts := [name for name in different if name in {*edit.users, *edit.events, *edit.named}]:
        raise SynadminError(
            f"another user changed the same level at the same time: {', '.join(conflicts)}",
            hint=f"`{command('room', 'power', view.room_id)}` shows what holds now",
        )
    return merged


def _others_since(
    observer: StateReader,
    room_id: RoomId,
    base: StateEvent | None,
    read: StateEvent,
    known: AbstractSet[EventId | None],
) -> dict[EventId | None, Mapping[str, Any]]:
    """Return the levels that others have sent since ``base``, without known events, the oldest first.

    The event that the last one has replaced is not enough: of two concurrent events, neither has replaced
    the other. So the room's newest events are searched as well.
    """
    known = known | {None if base is None else base.event_id}
    others: dict[EventId | None, Mapping[str, Any]] = {}
    if read.event_id not in known:
        others[read.event_id] = read.content
    for event in islice(observer.newest_events(room_id, _NEWEST), _NEWEST):
        if base is not None and event.event_id == base.event_id:
            break
        if event.type == POWER_LEVELS and event.state_key == "" and event.event_id not in known:
            others.setdefault(event.event_id, event.content)
    replaced = read.replaced
    if base is not None and replaced is not None and replaced not in {*known, *others}:
        others[replaced] = observer.content_of(room_id, replaced)
    return dict(reversed(others.items()))


def _with_levels(view: RoomView, levels: StateEvent | Mapping[str, Any] | None) -> RoomView:
    return replace(view, power_levels=levels.content if isinstance(levels, StateEvent) else levels)
