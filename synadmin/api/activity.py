"""What a user does and has on this server: rooms, invitations, account data, pushers, connections.

Source: Synapse, ``docs/admin_api/user_admin_api.md`` and ``synapse/rest/admin/users.py``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import RoomId, UserId


class WhoisConnection(Record, frozen=True, kw_only=True):
    """An address from which a user connected. ``last_seen`` is in milliseconds since the epoch."""

    ip: str | None = None
    last_seen: int | None = None
    user_agent: str | None = None


class WhoisSession(Record, frozen=True, kw_only=True):
    """The connections of one session."""

    connections: tuple[WhoisConnection, ...] = ()


class DeviceSessions(Record, frozen=True, kw_only=True):
    """The sessions of one device."""

    sessions: tuple[WhoisSession, ...] = ()


class Whois(Record, frozen=True, kw_only=True):
    """The addresses from which a user connected, by device.

    Synapse does not name devices: all sessions are under ``""``.
    """

    user_id: UserId
    devices: Mapping[str, DeviceSessions]


class JoinedRooms(Record, frozen=True, kw_only=True):
    """The rooms that a user is joined to."""

    joined_rooms: tuple[RoomId, ...]
    total: int


class InviteCount(Record, frozen=True, kw_only=True):
    """The number of invitations that a user has sent."""

    invite_count: int


class JoinedRoomCount(Record, frozen=True, kw_only=True):
    """The number of rooms that a user has joined, including those that the user has left again."""

    cumulative_joined_room_count: int


class AccountDataByPlace(Record, frozen=True, kw_only=True):
    """Account data by type: global, and for each room."""

    everywhere: Mapping[str, dict[str, Any]] = msgspec.field(name="global", default_factory=dict)
    rooms: Mapping[RoomId, Mapping[str, dict[str, Any]]] = msgspec.field(default_factory=dict)


class AccountData(Record, frozen=True, kw_only=True):
    """The account data of a user: what their clients store on the server."""

    account_data: AccountDataByPlace


class Pusher(Record, frozen=True, kw_only=True):
    """A pusher: where a user's notifications are sent. ``kind`` is ``http`` or ``email``."""

    app_id: str
    pushkey: str
    kind: str | None = None
    app_display_name: str | None = None
    device_display_name: str | None = None
    device_id: str | None = None
    profile_tag: str | None = None
    lang: str | None = None
    enabled: bool = True
    data: dict[str, Any] | None = None


class Pushers(Record, frozen=True, kw_only=True):
    """All pushers of a user."""

    pushers: tuple[Pusher, ...]
    total: int


WHOIS = Endpoint("GET", "/_synapse/admin/v1/whois/{user_id}", Whois)
JOINED_ROOMS = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/joined_rooms", JoinedRooms)
SENT_INVITE_COUNT = Endpoint(
    "GET", "/_synapse/admin/v1/users/{user_id}/sent_invite_count", InviteCount, since="1.122"
)
JOINED_ROOM_COUNT = Endpoint(
    "GET", "/_synapse/admin/v1/users/{user_id}/cumulative_joined_room_count", JoinedRoomCount, since="1.122"
)
ACCOUNT_DATA = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/accountdata", AccountData)
PUSHERS = Endpoint("GET", "/_synapse/admin/v1/users/{user_id}/pushers", Pushers)


class Activity(ResourceGroup):
    """Rooms, invitations, account data, pushers and connections of users: ``synapse.activity``."""

    def whois(self, user_id: str) -> Whois:
        """Return the addresses from which a user connected, a few minutes late.

        Raises:
            MatrixError: the user is on another server (400).

        Source: ``WhoisRestServlet``.
        """
        return self._send(WHOIS, user_id=user_id)

    def joined_rooms(self, user_id: str) -> JoinedRooms:
        """Return the rooms that a user is joined to; empty where there is no such user.

        For a user of another server, only the rooms that this server is in.

        Source: ``UserJoinedRoomsRestServlet``.
        """
        return self._send(JOINED_ROOMS, user_id=user_id)

    def sent_invite_count(self, user_id: str, *, from_ts: int) -> InviteCount:
        """Count the invitations that a user has sent.

        Args:
            user_id: the user; the count is 0 where there is no such user.
            from_ts: count from this time on, in milliseconds since the epoch.

        Source: ``UserInvitesCount``.
        """
        return self._send(SENT_INVITE_COUNT, query={"from_ts": from_ts}, user_id=user_id)

    def joined_room_count(self, user_id: str, *, from_ts: int) -> JoinedRoomCount:
        """Count the rooms that a user has joined, including those that the user has left again.

        Args:
            user_id: the user; the count is 0 where there is no such user.
            from_ts: count from this time on, in milliseconds since the epoch.

        Source: ``UserJoinedRoomCount``.
        """
        return self._send(JOINED_ROOM_COUNT, query={"from_ts": from_ts}, user_id=user_id)

    def account_data(self, user_id: str) -> AccountData:
        """Return the account data that a user's clients store on the server.

        Raises:
            NotFoundError: there is no such user.

        Source: ``AccountDataRestServlet``.
        """
        return self._send(ACCOUNT_DATA, user_id=user_id)

    def pushers(self, user_id: str) -> Pushers:
        """Return a user's pushers: where notifications are sent.

        Raises:
            NotFoundError: there is no such user.

        Source: ``PushersRestServlet``.
        """
        return self._send(PUSHERS, user_id=user_id)
