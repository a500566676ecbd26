"""Rooms, as the administrator sees them.

Source: Synapse, ``docs/admin_api/rooms.md`` and ``synapse/rest/admin/rooms.py``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from synadmin.api.choices import RoomOrder
from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import EventId, RoomAlias, RoomId, UserId


class Room(Record, frozen=True, kw_only=True):
    """A room as the room list shows it.

    Members, join rule and the rest of the state come from the server's statistics. They may be wrong, and
    are None where the server has no statistics of the room. Synapse sends ``federatable`` as false where it
    does not know the value.
    """

    room_id: RoomId
    name: str | None = None
    canonical_alias: RoomAlias | None = None
    joined_members: int | None = None
    joined_local_members: int | None = None
    version: str | None = None
    creator: UserId | None = None
    encryption: str | None = None
    federatable: bool | None = None
    public: bool | None = None
    join_rules: str | None = None
    guest_access: str | None = None
    history_visibility: str | None = None
    state_events: int | None = None
    room_type: str | None = None


class RoomDetails(Room, frozen=True, kw_only=True):
    """The details of a room. ``replacement_room`` comes from the room's state."""

    topic: str | None = None
    avatar: str | None = None
    joined_local_devices: int | None = None
    forgotten: bool = False
    tombstoned: bool = False
    replacement_room: RoomId | None = None


class RoomMembers(Record, frozen=True, kw_only=True):
    """The joined users of a room, including those of other servers."""

    members: tuple[UserId, ...]
    total: int


class StateEvent(Record, frozen=True, kw_only=True):
    """A state event of a room.

    ``origin_server_ts`` is in milliseconds since the epoch, by the sender's clock.
    """

    type: str
    state_key: str
    sender: UserId
    content: dict[str, Any]
    event_id: EventId | None = None
    room_id: RoomId | None = None
    origin_server_ts: int | None = None
    unsigned: dict[str, Any] | None = None
    prev_content: dict[str, Any] | None = None
    replaces_state: EventId | None = None
    user_id: UserId | None = None
    age: int | None = None

    @property
    def replaced(self) -> EventId | None:
        """The id of the event that this event replaced; None where the server does not say."""
        replaced = self.replaces_state or (self.unsigned or {}).get("replaces_state")
        return EventId(replaced) if isinstance(replaced, str) else None


class RoomState(Record, frozen=True, kw_only=True):
    """The current state of a room, or a part of it."""

    state: tuple[StateEvent, ...]


class SpaceChild(Record, frozen=True, kw_only=True):
    """A state event of a space (``m.space.child``) that says that a room belongs to it.

    ``state_key`` is the room, ``content`` has ``via``, ``order`` and ``suggested``, ``origin_server_ts`` is
    in milliseconds since the epoch.
    """

    type: str
    state_key: RoomId
    sender: UserId
    content: dict[str, Any]
    origin_server_ts: int


class RoomInSpace(Record, frozen=True, kw_only=True):
    """A room in the hierarchy of a space; fields that the room does not have are left out."""

    room_id: RoomId
    room_version: str | None = None
    name: str | None = None
    topic: str | None = None
    canonical_alias: RoomAlias | None = None
    avatar_url: str | None = None
    num_joined_members: int = 0
    world_readable: bool = False
    guest_can_join: bool = False
    room_type: str | None = None
    encryption: str | None = None
    join_rule: str | None = None
    allowed_room_ids: tuple[RoomId, ...] = ()
    children_state: tuple[SpaceChild, ...] = ()


class ForwardExtremity(Record, frozen=True, kw_only=True):
    """An event that no other event follows yet.

    ``received_ts`` is in milliseconds since the epoch, by this server's clock.
    """

    event_id: EventId
    state_group: int | None = None
    depth: int | None = None
    received_ts: int | None = None


class ForwardExtremities(Record, frozen=True, kw_only=True):
    """The forward extremities of a room; an ordinary room has one."""

    count: int
    results: tuple[ForwardExtremity, ...]


class ForwardExtremitiesDeleted(Record, frozen=True, kw_only=True):
    """The number of forward extremities that were deleted."""

    deleted: int


class JoinedRoom(Record, frozen=True, kw_only=True):
    """The room that a local user has joined."""

    room_id: RoomId


class Block(Record, frozen=True, kw_only=True):
    """Whether a room is blocked on this server: local users can neither join it nor be invited."""

    block: bool
    user_id: UserId | None = None


LIST = Paged(
    "GET",
    "/_synapse/admin/v1/rooms",
    Room,
    items="rooms",
    next="next_batch",
    total="total_rooms",
    key="room_id",
    grows=True,
)
GET = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}", RoomDetails)
MEMBERS = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}/members", RoomMembers)
STATE = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}/state", RoomState)
BLOCK_STATUS = Endpoint("GET", "/_synapse/admin/v1/rooms/{room_id}/block", Block)
BLOCK = Endpoint("PUT", "/_synapse/admin/v1/rooms/{room_id}/block", Block)
HIERARCHY = Paged(
    "GET",
    "/_synapse/admin/v1/rooms/{room_id}/hierarchy",
    RoomInSpace,
    items="rooms",
    next="next_batch",
    total=None,
    key="room_id",
    since="1.142",
)
FORWARD_EXTREMITIES = Endpoint(
    "GET", "/_synapse/admin/v1/rooms/{room_identifier}/forward_extremities", ForwardExtremities
)
DELETE_FORWARD_EXTREMITIES = Endpoint(
    "DELETE", "/_synapse/admin/v1/rooms/{room_identifier}/forward_extremities", ForwardExtremitiesDeleted
)
JOIN = Endpoint("POST", "/_synapse/admin/v1/join/{room_identifier}", JoinedRoom, idempotent=True)
MAKE_ADMIN = Endpoint(
    "POST", "/_synapse/admin/v1/rooms/{room_identifier}/make_room_admin", Empty, idempotent=True
)


class Rooms(ResourceGroup):
    """Rooms: ``synapse.rooms``."""

    def list(
        self,
        *,
        search: str | None = None,
        public: bool | None = None,
        empty: bool | None = None,
        order_by: RoomOrder | None = None,
        reverse: bool = False,
        page_size: int | None = None,
    ) -> Pager[Room]:
        """List the rooms the server knows, a page at a time.

        Args:
            search: part of a name or of the localpart of a main alias, or a whole room id.
            public: True: only rooms in the room directory; False: only the others.
            empty: True: only rooms without joined members; False: only the others.
            order_by: one of :data:`RoomOrder`; Synapse's default is by name.
            reverse: reverse the order.
            page_size: rooms a request; None lets pages grow.

        Source: ``ListRoomRestServlet``.
        """
        return self._walk(
            LIST,
            query={
                "search_term": search,
                "public_rooms": public,
                "empty_rooms": empty,
                "order_by": order_by,
                "dir": "b" if reverse else None,
                "limit": page_size,
            },
        )

    def get(self, room_id: str) -> RoomDetails:
        """Return the details of a room. The size of the answer does not depend on the room.

        Raises:
            NotFoundError: the server does not know the room.

        Source: ``RoomRestServlet``.
        """
        return self._send(GET, room_id=room_id)

    def members(self, room_id: str) -> RoomMembers:
        """Return the joined members of a room. The answer grows with the room.

        Raises:
            NotFoundError: the server knows no such room.

        Source: ``RoomMembersRestServlet``.
        """
        return self._send(MEMBERS, room_id=room_id)

    def state(self, room_id: str, *, type: str | None = None) -> RoomState:  # noqa: A002  Synapse's name
        """Return the room's current state; empty where this server is no longer in the room.

        Args:
            room_id: the room.
            type: only events of this type; Synapse before 1.123 ignores it and sends all events. Without a
                type, or with ``m.room.member``, the answer grows with the room, and comes only when the
                server has the complete state of the room.

        Raises:
            NotFoundError: the server knows no such room.

        Source: ``RoomStateRestServlet``.
        """
        # The server answers only when the state is complete: a second request would have to wait as long.
        endpoint = replace(STATE, idempotent=False) if type in {None, "m.room.member"} else STATE
        return self._send(endpoint, query={"type": type}, room_id=room_id)

    def block_status(self, room_id: str) -> Block:
        """Return whether the room is blocked on this server.

        Source: ``BlockRoomRestServlet``.
        """
        return self._send(BLOCK_STATUS, room_id=room_id)

    def block(self, room_id: str, *, block: bool = True) -> Block:
        """Block or unblock a room on this server: local users can neither join a blocked room nor be invited.

        The server need not know the room. Its members stay in the room.

        Source: ``BlockRoomRestServlet``.
        """
        return self._send(BLOCK, body={"block": block}, room_id=room_id)

    def hierarchy(
        self, room_id: str, *, max_depth: int | None = None, page_size: int | None = None
    ) -> Pager[RoomInSpace]:
        """Walk a space and the rooms below it, each room once, depth first.

        Rooms that this server is not in are left out, but stay in ``children_state`` of their space.

        Args:
            room_id: the space.
            max_depth: the number of levels below the space; 0: only the space.
            page_size: rooms a request; Synapse gives 50 at most.

        Raises:
            ServerError: the server knows no such room.

        Source: ``AdminRoomHierarchy``.
        """
        query = {"max_depth": max_depth, "limit": page_size}
        return self._walk(HIERARCHY, query=query, room_id=room_id)

    def forward_extremities(self, room: str) -> ForwardExtremities:
        """Return the forward extremities of a room; many make it slow. Empty for an unknown room.

        Raises:
            NotFoundError: there is no such alias.

        Source: ``ForwardExtremitiesRestServlet``.
        """
        return self._send(FORWARD_EXTREMITIES, room_identifier=room)

    def delete_forward_extremities(self, room: str) -> ForwardExtremitiesDeleted:
        """Delete all forward extremities of a room except the newest.

        Raises:
            NotFoundError: there is no such alias.
            ServerError: the room has no forward extremity.

        Source: ``ForwardExtremitiesRestServlet``.
        """
        return self._send(DELETE_FORWARD_EXTREMITIES, room_identifier=room)

    def join(self, room: str, *, user_id: str, via: Sequence[str] = ()) -> JoinedRoom:
        """Make a local user join a room. Where it is not public, the token's owner first invites the user.

        Args:
            room: room id or alias.
            user_id: the user who joins.
            via: servers that are in the room, for a room id that this server is not in.

        Raises:
            NotPermittedError: the token's owner is not in the room, or may not invite.
            NotFoundError: there is no such user or alias.

        Source: ``JoinRoomAliasServlet``.
        """
        return self._send(
            JOIN, query={"server_name": [*via]}, body={"user_id": user_id}, room_identifier=room
        )

    def make_admin(self, room: str, *, user_id: str | None = None) -> Empty:
        """Give a user the power level of the most powerful local member (Make Room Admin).

        Success does not mean that the user has control. An error does not mean that nothing was changed. Use
        ``synadmin.recovery``, which reads the room before and after. A repeated request changes nothing more.

        Args:
            room: room id or alias.
            user_id: the user; None: the token's owner.

        Source: ``MakeRoomAdminRestServlet``.
        """
        body = {} if user_id is None else {"user_id": user_id}
        return self._send(MAKE_ADMIN, body=body, room_identifier=room)
