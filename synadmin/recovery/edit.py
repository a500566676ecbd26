"""Editing the levels of a room through somebody who may: look, choose who, act, read back."""

from dataclasses import dataclass, replace
from typing import Any

from synadmin.errors import NotFoundError, RefusedError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.power import edit as editing
from synadmin.power import rules
from synadmin.power.edit import Edit
from synadmin.power.levels import POWER_LEVELS
from synadmin.power.room import AccountState, Reach, RoomView
from synadmin.power.search import somebody
from synadmin.recovery.accounts import waking
from synadmin.recovery.observe import Observer
from synadmin.recovery.sessions import Sessions
from synadmin.recovery.temporary import Temporary
from synadmin.recovery.visit import Visit

_DEACTIVATED = AccountState.DEACTIVATED


@dataclass(frozen=True, slots=True)
class Author:
    """Through whom an edit is made, and what that takes.

    Attributes:
        user: the local user in whose name the levels are sent.
        reach: what it takes.
        state: of their account now.
        inviter: who lets them in, where they are not in the room; None where nobody needs to.
        enters: they have to come in for it, and leave again.
    """

    user: UserId
    reach: Reach
    state: AccountState
    inviter: UserId | None = None
    enters: bool = False

    @property
    def words(self) -> str:
        """How it is done, as a sentence."""
        wake = f"wake the account ({self.state}) for a moment, " if self.reach is Reach.REACTIVATE else ""
        let_in = f"invited by {self.inviter}, " if self.inviter else ""
        enter = f"{let_in}come in for a moment, " if self.enters else ""
        return f"As {self.user}: {wake}{enter}set the levels."


@dataclass(frozen=True, slots=True)
class EditPlan:
    """An edit that can be made."""

    view: RoomView
    edit: Edit
    author: Author | None
    """None where there is nothing to change."""


def look(observer: Observer, room_id: RoomId) -> RoomView:
    """See a room as far as editing its levels takes it: everybody local with power.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    details = observer.synapse.rooms.get(room_id)
    view = observer.widest_view(details)
    if not view.in_room or not view.creators:
        raise NotFoundError(
            status=404,
            errcode="M_NOT_FOUND",
            reason=f"this server is no longer in {room_id}: it cannot change anything there",
        )
    levels = view.levels
    holders = dict.fromkeys((*(levels.creators if levels.version.creator_power else ()), *levels.listed()))
    strong = [user for user in holders if levels.level_of(user) >= levels.control]
    return observer.seeing_foreigners(view, [user for user in strong if not view.is_local(user)])


def plan(
    observer: Observer,
    view: RoomView,
    edit: Edit,
    *,
    allow: Reach,
    last: bool,
    undoing: bool = False,
) -> EditPlan:
    """Find through whom an edit can be made.

    Args:
        observer: looks at accounts.
        view: the room, from :func:`look`.
        edit: what is to change.
        allow: how far it may go.
        last: it may take the last local control out of the room.
        undoing: it brings back what was so before, even if nobody in the room has control then.

    Raises:
        RefusedError: it must not or cannot be made; nothing was changed.
    """
    view = _with_those_concerned(observer, view, edit)
    reason = editing.senseless(view, edit)
    if reason is None and not editing.changes(view, edit):
        return EditPlan(view, edit, None)
    reason = reason or _nobody_there(observer, view, edit)
    if reason is None and not undoing:
        reason = editing.locks_everybody_out(view, edit)
    if reason is not None:
        raise RefusedError(f"not done: {reason}")
    if not last and editing.takes_last_local_control(view, edit):
        raise RefusedError(
            "not done: no local user would have control of the room afterwards",
            hint="give somebody else control first (`synadmin room make-admin`), or insist with --last",
        )
    ways = _ways(observer, view, edit)
    if (not ways or ways[0].reach > allow) and _a_stranger_helps(view, edit):
        view = _with_a_stranger(observer, view)
        ways = _ways(observer, view, edit)
    if not ways:
        raise RefusedError(_nobody_may(observer, view, edit))
    if ways[0].reach > allow:
        raise RefusedError(
            f"not done: it takes more than your own token. {ways[0].words}",
            hint=f"--allow {ways[0].reach} does it",
        )
    return EditPlan(view, edit, ways[0])


def _with_those_concerned(observer: Observer, view: RoomView, edit: Edit) -> RoomView:
    """See those whose levels are to change: they may be the ones who have control afterwards."""
    unseen = [user for user in edit.users if user not in view.memberships]
    view = observer.seeing(view, [user for user in unseen if view.is_local(user)])
    in_control = [user for user in unseen if (edit.users[user] or 0) >= view.levels.control]
    return observer.seeing_foreigners(view, [user for user in in_control if not view.is_local(user)])


def _nobody_there(observer: Observer, view: RoomView, edit: Edit) -> str | None:
    """Say whose level must not be raised, because nobody could use it, or somebody else will."""
    for change in editing.changes(view, edit):
        user = UserId(change.what)
        if user not in edit.users or change.after <= change.before or not view.is_local(user):
            continue
        if observer.account(user).state is AccountState.MISSING:
            return f"there is no account {user}; whoever registered that name would have the power"
    return None


def _ways(observer: Observer, view: RoomView, edit: Edit) -> list[Author]:
    """Return through whom an edit can be made, the least intrusive first."""
    ways = [way for user in editing.authors(view, edit) if (way := _way(observer, view, user)) is not None]
    return sorted(ways, key=lambda way: (way.reach, way.enters, way.inviter is not None))


def _a_stranger_helps(view: RoomView, edit: Edit) -> bool:
    """Tell whether a local member who is not known by name might make the edit, or let somebody in."""
    if not view.unknown_local_members:
        return False
    stranger = somebody(view)
    inside = replace(view, memberships={**view.memberships, stranger: "join"})
    return stranger in editing.authors(inside, edit) or view.levels.users_default >= view.levels.invite


def _with_a_stranger(observer: Observer, view: RoomView) -> RoomView:
    """See one more local member, who can act."""
    for user in observer.members_not_in(view):
        view = observer.seeing(view, [user])
        if _reach_as(observer, user) is Reach.IMPERSONATE:
            break
    return view


def _way(observer: Observer, view: RoomView, user: UserId) -> Author | None:
    """Return what it takes to act as a user in the room, None where it cannot be done."""
    state = observer.account(user).state
    reach = _reach_as(observer, user)
    if reach is None:
        return None
    if view.membership_of(user) == "join":
        return Author(user, reach, state)
    if rules.joining(view, user) is None and not view.blocked:
        return Author(user, reach, state, enters=True)
    for inviter in () if view.blocked else view.known_local_members:
        needed = _reach_as(observer, inviter)
        awake = observer.account(inviter).state is AccountState.ACTIVE
        if awake and needed is not None and rules.inviting(view, inviter, user) is None:
            return Author(user, max(reach, needed), state, inviter, enters=True)
    return None


def _reach_as(observer: Observer, user: UserId) -> Reach | None:
    """Return what acting as a user takes, None where nobody can."""
    account = observer.account(user)
    if user == observer.synapse.owner:
        return Reach.API if account.state is AccountState.ACTIVE else None
    if account.state is AccountState.MISSING or account.shadow_banned or observer.accounts_are_elsewhere:
        return None
    return Reach.IMPERSONATE if account.state is AccountState.ACTIVE else Reach.REACTIVATE


def _nobody_may(observer: Observer, view: RoomView, edit: Edit) -> str:
    if observer.accounts_are_elsewhere and any(True for _ in editing.authors(view, edit)):
        return (
            "not done: it would take acting as another user, which this server does not let an administrator "
            "do (its accounts are kept by the Matrix Authentication Service)"
        )
    equals = editing.stands_in_the_way(view, edit)
    if equals:
        return (
            f"not done: {', '.join(equals)} is on another server and has no less power than anybody here; "
            "the rules let nobody take it but themselves"
        )
    return "not done: no local user has the power for it, or could get it"


def carry_out(
    observer: Observer,
    sessions: Sessions,
    temporary: Temporary,
    planned: EditPlan,
) -> RoomView:
    """Make an edit, put back what was for a while only, and return the room as it is then.

    Raises:
        SynadminError: it was not made, or what was read back is not what was asked for.
    """
    view, author = planned.view, planned.author
    if author is None:
        return view
    content = planned.edit.applied(view)
    mark = temporary.mark
    try:
        _send(observer, sessions, temporary, planned, content)
    finally:
        left = temporary.put_back(mark)
    event = observer.state_event(view.room_id, POWER_LEVELS)
    if event is None or event.content != content:
        raise SynadminError("the server said yes, but the room does not show the new levels")
    if left:
        raise SynadminError(f"the levels are set, but not put back: {'; '.join(map(str, left))}")
    return editing.edited(view, planned.edit)


def _send(
    observer: Observer,
    sessions: Sessions,
    temporary: Temporary,
    planned: EditPlan,
    content: dict[str, Any],
) -> None:
    view, author = planned.view, planned.author
    if author is None:
        return
    room_id, user = view.room_id, author.user
    if author.state is not AccountState.ACTIVE:
        waking(observer.synapse, temporary, user)
    visiting = Visit(observer, sessions, temporary, room_id, leaves=author.state is not _DEACTIVATED)
    if author.inviter is not None:
        visiting.invite(user, by=author.inviter)
    if author.enters:
        visiting.join(user)
    require_unchanged(observer, view)
    acting = sessions.of(user)
    with acting.transport.recording(before={"room_id": room_id, "power_levels": view.power_levels}):
        acting.client_server.send_state(room_id, POWER_LEVELS, content)


def require_unchanged(observer: Observer, view: RoomView) -> None:
    """Make sure that the levels are still those that were seen: what is sent replaces them all.

    Raises:
        SynadminError: they are not.
    """
    event = observer.state_event(view.room_id, POWER_LEVELS)
    if (None if event is None else event.content) != view.power_levels:
        raise SynadminError(
            "somebody else has changed the power levels in the meantime; nothing was overwritten",
            hint="run it again",
        )
