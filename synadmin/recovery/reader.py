"""Reading memberships and accounts, each requested once a run, and a room's state events."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

from synadmin.api.client_server import MemberEvent
from synadmin.api.events import Event
from synadmin.api.rooms import StateEvent
from synadmin.client import Synapse
from synadmin.errors import ConnectError, NotSupportedError, ReplyError
from synadmin.ids import EventId, RoomId, UserId, server_name_of
from synadmin.parallel import side_by_side
from synadmin.power.events import MEMBER
from synadmin.power.room import Account, AccountState, Reach
from synadmin.recovery.means import Means, SynapseMeans, means_of

FEW = 20  # users who are read with one request each


class StateReader(Protocol):
    """Reads a room's state and newest events: as a server admin, or as a member."""

    def state_event(self, room_id: RoomId, event_type: str) -> StateEvent | None:
        """Return a room's state event of a type with an empty state key, read again."""

    def newest_events(self, room_id: RoomId, count: int) -> Iterable[Event | MemberEvent]:
        """Return at least ``count`` events of a room, if it has so many, the newest first."""

    def content_of(self, room_id: RoomId, event_id: EventId) -> Mapping[str, Any]:
        """Return the content of an event that may no longer be part of the state."""


@dataclass
class Reader:
    """Reads rooms and users. What was read of users is cached until ``forget``.

    Attributes:
        synapse: the server, with a server admin's token.
        at_once: how many requests that do not depend on each other are under way at the same time, at most
            as many as the client keeps connections.
    """

    synapse: Synapse
    _: KW_ONLY
    at_once: int = 4
    _memberships: dict[UserId, Mapping[RoomId, str]] = field(default_factory=dict)
    _accounts: dict[UserId, Account] = field(default_factory=dict)
    _whole: dict[RoomId, tuple[StateEvent, ...]] = field(default_factory=dict)
    """The whole state of the current room, where the server (before 1.123) always sends all of it."""
    _means: Means | None = None
    """What an admin can do here; None until it is needed: to find out may take a request."""
    _by_room: bool = False
    """The server (before 1.145) does not list a user's memberships: they are read from the room's state."""

    def __post_init__(self) -> None:
        self.at_once = min(self.at_once, self.synapse.transport.connection.pool_size)

    @property
    def server_name(self) -> str:
        """The server name of the token's owner."""
        return server_name_of(self.synapse.owner)

    @property
    def means(self) -> Means:
        """What an admin can do for other users of this server, read once."""
        if self._means is None:
            self._means = means_of(self.synapse)
            if self.synapse.mas_manages_accounts:
                self._accounts.clear()  # MAS knows more about the accounts
        return self._means

    @property
    def cannot_act(self) -> bool:
        """Whether an admin cannot act as others here; ``means.why_not`` says why."""
        return self.means.possible < Reach.IMPERSONATE

    def reach_as(self, user: UserId) -> Reach | None:
        """Return what is needed to act as a local user; None where it is not possible."""
        if user != self.synapse.owner and self.cannot_act:
            return None
        account = self.account(user)
        if account.state is AccountState.MISSING or account.shadow_banned:
            return None
        is_active = account.state is AccountState.ACTIVE
        if user == self.synapse.owner:
            return Reach.API if is_active else None
        if not account.actable:
            return None
        return Reach.IMPERSONATE if is_active else Reach.REACTIVATE

    def membership(self, user: UserId, room_id: RoomId) -> str:
        """Return a user's membership; ``leave`` for a user who never was in the room."""
        if server_name_of(user) == self.server_name:
            self._ask_for_memberships(user)
            if not self._by_room:
                return self._memberships[user].get(room_id, "leave")
        return self.member_events(room_id).get(user, "leave")

    def _ask_for_memberships(self, user: UserId) -> None:
        """Ask for the memberships of a local user, unless they are cached or the server cannot list them."""
        if self._by_room or user in self._memberships or server_name_of(user) != self.server_name:
            return
        try:
            self._memberships[user] = self.synapse.users.memberships(user).memberships
        except NotSupportedError:
            self._by_room = True

    def memberships(self, users: Sequence[UserId], room_id: RoomId) -> dict[UserId, str]:
        """Return the memberships of local users; many are read with one request, whose answer is long."""
        if len([user for user in users if user not in self._memberships]) > FEW:
            # Where the room's state is not complete, the server may not list all members in time.
            with contextlib.suppress(ReplyError):
                events = self.member_events(room_id)
                return {user: events.get(user, "leave") for user in users}
        return {user: self.membership(user, room_id) for user in users}

    def membership_now(self, user: UserId, room_id: RoomId) -> str:
        """Return a user's membership, read again."""
        self.forget(user)
        return self.membership(user, room_id)

    def forget(self, *users: UserId) -> None:
        """Remove these users from the cache."""
        self._whole.clear()
        for user in users:
            self._memberships.pop(user, None)
            self._accounts.pop(user, None)

    def forget_all(self) -> None:
        """Empty the cache of users."""
        self._whole.clear()
        self._memberships.clear()
        self._accounts.clear()

    def account(self, user: UserId) -> Account:
        """Return the state of a local account."""
        if user not in self._accounts:
            self._accounts[user] = (self._means or SynapseMeans(self.synapse)).account_of(user)
        return self._accounts[user]

    def accounts(self, users: Sequence[UserId]) -> dict[UserId, Account]:
        """Return the states of local accounts; many are requested at the same time."""
        at_once = 1 if len(users) <= FEW else self.at_once
        return dict(zip(users, side_by_side(self.account, users, at_once=at_once), strict=True))

    def state_event(self, room_id: RoomId, event_type: str) -> StateEvent | None:
        """Return a room's state event of a type with an empty state key, read again."""
        self._whole.clear()
        return self.event_seen(room_id, event_type)

    def newest_events(self, room_id: RoomId, count: int) -> Iterable[Event]:
        """Return at least ``count`` events of a room, if it has so many, the newest first."""
        return self.synapse.events.messages(room_id, backwards=True, page_size=count)

    def content_of(self, room_id: RoomId, event_id: EventId) -> Mapping[str, Any]:
        """Return the content of an event that may no longer be part of the state."""
        events = self.synapse.events
        try:
            return events.fetch(event_id).event.content
        except NotSupportedError:
            return events.context(room_id, event_id, limit=0).event.content

    def event_seen(self, room_id: RoomId, event_type: str) -> StateEvent | None:
        """Return a state event by type; from the state that was read last, if the server sent all of it."""
        return next((event for event in self._events(room_id, event_type) if event.state_key == ""), None)

    def _events(self, room_id: RoomId, event_type: str) -> list[StateEvent]:
        events = self._whole.get(room_id)
        if events is None:
            events = self.synapse.rooms.state(room_id, type=event_type).state
            if any(event.type != event_type for event in events):
                self._whole = {room_id: events}
        return [event for event in events if event.type == event_type]

    def member_events(self, room_id: RoomId) -> dict[str, str]:
        """Return the memberships of all users of a room, including those of other servers.

        This is the only answer that grows with the room: Synapse shows an admin a remote member only in the
        list of all members.

        Raises:
            ReplyError: the server does not have the room's state complete, and did not get it in time.
        """
        try:
            events = self._events(room_id, MEMBER)
        except ConnectError as error:
            if not error.sent:
                raise
            message = (
                f"the server did not list the members of {room_id} in time ({error}). It may still be "
                "getting the room's state from another server"
            )
            raise ReplyError(message, hint="try again later") from error
        return {event.state_key: str(event.content.get("membership", "leave")) for event in events}


def state_of(synapse: Synapse, room_id: RoomId, event_type: str) -> list[StateEvent]:
    """Return a room's state events of a type, also where the server (before 1.123) sends all of them."""
    return [
        event for event in synapse.rooms.state(room_id, type=event_type).state if event.type == event_type
    ]
