"""Editing the levels of a room through somebody who may: look, choose who, act, read back."""

import contextlib
from dataclasses import dataclass
from typing import Any

from synadmin.api.client_server import LEAVE
from synadmin.errors import NotFoundError, RefusedError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.power import edit as editing
from synadmin.power import rules
from synadmin.power.edit import Edit
from synadmin.power.levels import POWER_LEVELS
from synadmin.power.room import AccountState, Reach, RoomView
from synadmin.recovery.accounts import waking
from synadmin.recovery.observe import Observer
from synadmin.recovery.sessions import Sessions
from synadmin.recovery.temporary import Restoration, Temporary


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
    return view


def plan(observer: Observer, view: RoomView, edit: Edit, *, allow: Reach, last: bool) -> EditPlan:
    """Find through whom an edit can be made.

    Args:
        observer: looks at accounts.
        view: the room, from :func:`look`.
        edit: what is to change.
        allow: how far it may go.
        last: it may take the last local control out of the room.

    Raises:
        RefusedError: it must not or cannot be made; nothing was changed.
    """
    if not editing.changes(view, edit):
        return EditPlan(view, edit, None)
    reason = editing.senseless(view, edit)
    if reason is not None:
        raise RefusedError(f"not done: {reason}")
    if not last and editing.takes_last_local_control(view, edit):
        raise RefusedError(
            "not done: no local user would have control of the room afterwards",
            hint="give somebody else control first (`synadmin room make-admin`), or insist with --last",
        )
    ways = [way for user in editing.authors(view, edit) if (way := _way(observer, view, user)) is not None]
    ways.sort(key=lambda way: (way.reach, way.enters, way.inviter is not None))
    within = [way for way in ways if way.reach <= allow]
    if within:
        return EditPlan(view, edit, within[0])
    if ways:
        least = ways[0]
        raise RefusedError(
            f"not done: it takes more than your own token. {least.words}",
            hint=f"--allow {least.reach} lets it",
        )
    raise RefusedError(_nobody_may(view, edit))


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


def _nobody_may(view: RoomView, edit: Edit) -> str:
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
        waking(observer.synapse, temporary, user, author.state)
    if author.inviter is not None:
        sessions.of(author.inviter).client_server.invite(room_id, user)
    acting = sessions.of(user)
    with contextlib.ExitStack() as stack:
        if author.enters and author.state is not AccountState.DEACTIVATED:
            stack.enter_context(temporary.making(leaving(observer, user, room_id)))
        if author.enters:
            acting.client_server.join(room_id)
    with acting.transport.noting(before={"room_id": room_id, "power_levels": view.power_levels}):
        acting.client_server.send_state(room_id, POWER_LEVELS, content)


def leaving(observer: Observer, user: UserId, room_id: RoomId) -> Restoration:
    """Return how a user who came in for a moment leaves again."""
    users = observer.synapse.users
    return Restoration(
        LEAVE.method,
        LEAVE.filled({"room_id": room_id}),
        {},
        user,
        is_so=lambda: users.memberships(user).memberships.get(room_id) != "join",
    )
