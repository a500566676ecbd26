"""The calls of the Client-Server API that synadmin needs, as the owner of the token.

Source: Matrix specification, Client-Server API.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from synadmin.errors import ConnectError, MatrixError, ReplyError, ServerError
from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import EventId, RoomId, UserId


class WhoAmI(Record, frozen=True, kw_only=True):
    """The owner of an access token."""

    user_id: UserId
    device_id: str | None = None
    is_guest: bool = False


class LoginFlow(Record, frozen=True, kw_only=True):
    """A way to sign in that the server offers."""

    type: str


class LoginFlows(Record, frozen=True, kw_only=True):
    """The ways to sign in that the server offers."""

    flows: tuple[LoginFlow, ...] = ()


class LoginSession(Record, frozen=True, kw_only=True):
    """A new session. The token is a secret."""

    user_id: UserId
    access_token: str
    device_id: str | None = None

    def __repr__(self) -> str:
        return f"LoginSession(user_id={self.user_id!r})"


class Versions(Record, frozen=True, kw_only=True):
    """The versions of the specification that the server supports."""

    versions: tuple[str, ...]
    unstable_features: Mapping[str, bool] = {}


class AliasTarget(Record, frozen=True, kw_only=True):
    """The room that an alias points to, and servers that are in it."""

    room_id: RoomId
    servers: tuple[str, ...] = ()


class RoomReference(Record, frozen=True, kw_only=True):
    """The room that was created or joined."""

    room_id: RoomId


class RoomVersions(Record, frozen=True, kw_only=True):
    """The room versions that the server knows, each with ``stable`` or ``unstable``."""

    default: str
    available: Mapping[str, str]


class Capabilities(Record, frozen=True, kw_only=True):
    """What users of the server may do; ``as_sent()`` has the rest."""

    capabilities: Mapping[str, Any]

    @property
    def room_versions(self) -> RoomVersions:
        """The room versions; only version 1 where the server names none."""
        versions = self.capabilities.get("m.room_versions", {"default": "1", "available": {"1": "stable"}})
        return msgspec.convert(versions, RoomVersions)


class UpgradedRoom(Record, frozen=True, kw_only=True):
    """The room that replaces another one."""

    replacement_room: RoomId


class HierarchyRoom(Record, frozen=True, kw_only=True):
    """A room of a space. ``as_sent()`` has the rest, ``children_state`` among it."""

    room_id: RoomId


class DirectoryVisibility(Record, frozen=True, kw_only=True):
    """Whether the room directory of this server lists a room: ``public`` or ``private``."""

    visibility: str


class EventReference(Record, frozen=True, kw_only=True):
    """The event that was sent."""

    event_id: EventId


class MemberEvent(Record, frozen=True, kw_only=True):
    """An event as a member sees it; ``as_sent()`` has the rest."""

    type: str
    content: dict[str, Any]
    event_id: EventId
    state_key: str | None = None


class NewestEvents(Record, frozen=True, kw_only=True):
    """Events of a room, the newest first."""

    chunk: tuple[MemberEvent, ...] = ()


WHOAMI = Endpoint("GET", "/_matrix/client/v3/account/whoami", WhoAmI)
PROFILE = Endpoint("GET", "/_matrix/client/v3/profile/{user_id}", dict[str, Any])
VERSIONS = Endpoint("GET", "/_matrix/client/versions", Versions)
HIERARCHY = Paged(
    "GET",
    "/_matrix/client/v1/rooms/{room_id}/hierarchy",
    HierarchyRoom,
    items="rooms",
    next="next_batch",
    total=None,
    key="room_id",
)
AUTH_METADATA = Endpoint("GET", "/_matrix/client/v1/auth_metadata", dict[str, Any])
AUTH_METADATA_UNSTABLE = Endpoint(
    "GET", "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", dict[str, Any]
)
LOGIN_FLOWS = Endpoint("GET", "/_matrix/client/v3/login", LoginFlows)
LOGIN = Endpoint("POST", "/_matrix/client/v3/login", LoginSession)
LOGOUT = Endpoint("POST", "/_matrix/client/v3/logout", Empty, idempotent=True)
RESOLVE_ALIAS = Endpoint("GET", "/_matrix/client/v3/directory/room/{alias}", AliasTarget)
CREATE_ROOM = Endpoint("POST", "/_matrix/client/v3/createRoom", RoomReference)
UPGRADE_ROOM = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/upgrade", UpgradedRoom)
PUBLIC_URL = Endpoint("GET", "/.well-known/matrix/client", dict[str, Any])
CAPABILITIES = Endpoint("GET", "/_matrix/client/v3/capabilities", Capabilities)
JOIN = Endpoint("POST", "/_matrix/client/v3/join/{room}", RoomReference, idempotent=True)
KNOCK = Endpoint("POST", "/_matrix/client/v3/knock/{room}", RoomReference, idempotent=True)
LEAVE = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/leave", Empty, idempotent=True)
INVITE = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/invite", Empty, idempotent=True)
KICK = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/kick", Empty, idempotent=True)
BAN = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/ban", Empty, idempotent=True)
UNBAN = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/unban", Empty, idempotent=True)
DIRECTORY_VISIBILITY = Endpoint(
    "GET", "/_matrix/client/v3/directory/list/room/{room_id}", DirectoryVisibility
)
SET_DIRECTORY_VISIBILITY = Endpoint("PUT", "/_matrix/client/v3/directory/list/room/{room_id}", Empty)
STATE_EVENT = Endpoint("GET", "/_matrix/client/v3/rooms/{room_id}/state/{type}/{state_key}", dict[str, Any])
SEND_STATE = Endpoint("PUT", "/_matrix/client/v3/rooms/{room_id}/state/{type}/{state_key}", EventReference)
SEND_EVENT = Endpoint("PUT", "/_matrix/client/v3/rooms/{room_id}/send/{type}/{txn_id}", EventReference)
# Only Synapse has this endpoint: in the specification a transaction id is required.
SEND_EVENT_ANEW = Endpoint("POST", "/_matrix/client/v3/rooms/{room_id}/send/{type}", EventReference)


# Only one page of the newest events is read; to walk through all events, use the Admin API.
NEWEST_EVENTS = Endpoint("GET", "/_matrix/client/v3/rooms/{room_id}/messages", NewestEvents)
EVENT = Endpoint("GET", "/_matrix/client/v3/rooms/{room_id}/event/{event_id}", MemberEvent)


class ClientServer(ResourceGroup):
    """The Client-Server API, as the owner of the token: ``synapse.client_server``.

    Membership events get the reason of the run, where its journal has one.
    """

    def _reason(self) -> dict[str, str]:
        journal = self.transport.journal
        return {} if journal is None or journal.reason is None else {"reason": journal.reason}

    def whoami(self) -> WhoAmI:
        """Return the owner of the token. Source: "Current account information"."""
        return self._send(WHOAMI)

    def versions(self) -> Versions:
        """Return the supported versions of the specification; needs no token. Source: "API Versions"."""
        return self._send(VERSIONS)

    def profile(self, user_id: str) -> dict[str, Any]:
        """Return a user's profile; the profile of a remote user is requested from the user's server.

        Raises:
            NotFoundError: the user's server knows no such user.

        Source: "Profiles".
        """
        return self._send(PROFILE, user_id=user_id)

    def auth_metadata(self) -> dict[str, Any]:
        """Return the metadata of the service that manages the accounts; needs no token.

        Raises:
            NotSupportedError: the homeserver manages the accounts itself.

        Source: "Server metadata discovery" of the OAuth 2.0 API.
        """
        return self._send(AUTH_METADATA)

    def auth_metadata_unstable(self) -> dict[str, Any]:
        """Return the same as :meth:`auth_metadata`, through the path of older servers.

        Raises:
            NotSupportedError: the homeserver manages the accounts itself, or is newer.

        Source: MSC2965.
        """
        return self._send(AUTH_METADATA_UNSTABLE)

    def login_flows(self) -> LoginFlows:
        """Return the ways to sign in; needs no token. Source: "Login"."""
        return self._send(LOGIN_FLOWS)

    def login(self, user: str, password: str, *, device_name: str | None = None) -> LoginSession:
        """Sign in with a password. The new token is a secret. Source: "Login"."""
        return self._send(
            LOGIN,
            body={
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": user},
                "password": password,
                "initial_device_display_name": msgspec.UNSET if device_name is None else device_name,
            },
        )

    def logout(self) -> Empty:
        """End this token and its device; the user's other sessions stay. Source: "Logout"."""
        return self._send(LOGOUT, body={})

    def resolve_alias(self, alias: str) -> AliasTarget:
        """Find the room that an alias points to.

        Raises:
            NotFoundError: there is no such alias.
            ServerError: another server has the alias, and did not answer.

        Source: "Room aliases".
        """
        try:
            return self._send(RESOLVE_ALIAS, alias=alias)
        except ServerError as error:
            server = alias.partition(":")[2]
            error.hint = error.hint or f"the server {server} did not answer for {alias}: check its name"
            raise

    def hierarchy(self, room_id: str) -> Pager[HierarchyRoom]:
        """Walk a space and the rooms below it that a member may see. Source: "Spaces"."""
        return self._walk(HIERARCHY, query={}, room_id=room_id)

    def create_room(self, **options: Any) -> RoomReference:  # noqa: ANN401  the specification's own shape
        """Make a room with the options of ``createRoom``. Source: "Creation"."""
        return self._send(CREATE_ROOM, body=options)

    def public_url(self) -> str | None:
        """Return the base URL that the homeserver publishes for clients; None where it publishes none.

        Source: Synapse, ``synapse/rest/well_known.py``, ``public_baseurl``.
        """
        try:
            found = self._send(PUBLIC_URL).get("m.homeserver")
        except (MatrixError, ReplyError, ConnectError):  # where a proxy answers in place of Synapse
            return None
        url = found.get("base_url") if isinstance(found, dict) else None
        return url.rstrip("/") if isinstance(url, str) else None

    def capabilities(self) -> Capabilities:
        """Return what the server lets its users do. Source: "Capabilities negotiation"."""
        return self._send(CAPABILITIES)

    def upgrade_room(
        self, room_id: RoomId, new_version: str, *, additional_creators: Sequence[UserId] = ()
    ) -> UpgradedRoom:
        """Replace a room with a new one of another version, whose creator is the token's owner.

        The server copies names, levels, join rule, bans and a space's rooms, and moves the aliases. It
        neither invites nor joins the members.

        Args:
            room_id: the room.
            new_version: the version of the new room.
            additional_creators: further creators, from version 12 on.

        Raises:
            NotPermittedError: the token's owner is not in the room, or may not upgrade it.

        Source: "Room Upgrades"; Synapse, ``RoomUpgradeRestServlet``.
        """
        creators = list(additional_creators) or msgspec.UNSET
        body = {"new_version": new_version, "additional_creators": creators}
        return self._send(UPGRADE_ROOM, body=body, room_id=room_id)

    def join(self, room: str, *, via: list[str] | None = None) -> RoomReference:
        """Join a room, through a server in ``via`` if this server is not in it. Source: "Joining rooms"."""
        return self._send(JOIN, query={"via": via, "server_name": via}, body=self._reason(), room=room)

    def knock(self, room: str, *, via: list[str] | None = None) -> RoomReference:
        """Ask to join a room. Source: "Knocking on rooms"."""
        return self._send(KNOCK, query={"via": via, "server_name": via}, body=self._reason(), room=room)

    def leave(self, room_id: str) -> Empty:
        """Leave a room, or turn an invitation down. Source: "Leaving rooms"."""
        return self._send(LEAVE, body=self._reason(), room_id=room_id)

    def invite(self, room_id: str, user_id: str) -> Empty:
        """Invite a user. Source: "Joining rooms"."""
        return self._send(INVITE, body={"user_id": user_id, **self._reason()}, room_id=room_id)

    def kick(self, room_id: str, user_id: str) -> Empty:
        """Remove a user from a room. Source: "Leaving rooms"."""
        return self._send(KICK, body={"user_id": user_id, **self._reason()}, room_id=room_id)

    def ban(self, room_id: str, user_id: str) -> Empty:
        """Ban a user from a room. Source: "Banning users in a room"."""
        return self._send(BAN, body={"user_id": user_id, **self._reason()}, room_id=room_id)

    def unban(self, room_id: str, user_id: str) -> Empty:
        """Lift a ban. Source: "Banning users in a room"."""
        return self._send(UNBAN, body={"user_id": user_id, **self._reason()}, room_id=room_id)

    def directory_visibility(self, room_id: RoomId) -> DirectoryVisibility:
        """Return whether the room directory lists a room. Source: "Listing rooms"."""
        return self._send(DIRECTORY_VISIBILITY, room_id=room_id)

    def set_directory_visibility(self, room_id: RoomId, *, listed: bool) -> Empty:
        """List a room in the room directory, or take it out; a server admin may do so for every room.

        Source: "Listing rooms".
        """
        body = {"visibility": "public" if listed else "private"}
        return self._send(SET_DIRECTORY_VISIBILITY, body=body, room_id=room_id)

    def state_event(
        self,
        room_id: str,
        type: str,  # noqa: A002  the specification's name
        state_key: str = "",
        *,
        whole: bool = False,
    ) -> dict[str, Any]:
        """Return the content of a state event, as it is now for a member. Source: "Getting events".

        Args:
            room_id: the room.
            type: the event's type.
            state_key: its key.
            whole: return the whole event, not only its content.

        Raises:
            NotPermittedError: the token's owner has never been in the room.
            NotFoundError: there is no such event.
        """
        query = {"format": "event" if whole else None}
        return self._send(STATE_EVENT, query=query, room_id=room_id, type=type, state_key=state_key)

    def newest_events(self, room_id: str, *, limit: int = 10) -> tuple[MemberEvent, ...]:
        """Return a room's newest events that a member may see, the newest first.

        Args:
            room_id: the room.
            limit: the number of events, at most.

        Raises:
            NotPermittedError: the token's owner has never been in the room.

        Source: "Getting events".
        """
        return self._send(NEWEST_EVENTS, query={"dir": "b", "limit": limit}, room_id=room_id).chunk

    def event(self, room_id: str, event_id: str) -> MemberEvent:
        """Return an event of a room.

        Raises:
            NotFoundError: there is no such event, or the token's owner may not see it.

        Source: "Getting events".
        """
        return self._send(EVENT, room_id=room_id, event_id=event_id)

    def send_state(
        self,
        room_id: str,
        type: str,  # noqa: A002  the specification's name
        content: Mapping[str, Any],
        state_key: str = "",
    ) -> EventReference:
        """Set a state event. Source: "Sending events to a room"."""
        return self._send(SEND_STATE, body=content, room_id=room_id, type=type, state_key=state_key)

    def send_event(
        self,
        room_id: str,
        type: str,  # noqa: A002  the specification's name
        content: Mapping[str, Any],
        *,
        txn_id: str,
    ) -> EventReference:
        """Send a message event, once for each transaction id.

        Raises:
            NotPermittedError: the token's owner is not in the room, or may not write there.

        Source: "Sending events to a room".
        """
        return self._send(SEND_EVENT, body=content, room_id=room_id, type=type, txn_id=txn_id)

    def send_event_anew(
        self,
        room_id: str,
        type: str,  # noqa: A002  the specification's name
        content: Mapping[str, Any],
    ) -> EventReference:
        """Send a message event without a transaction id; a repeated request sends a second event.

        This is for tokens without a device: with the Matrix Authentication Service, Synapse answers 500 to a
        request with such a token and a transaction id.

        Raises:
            NotPermittedError: the token's owner is not in the room, or may not write there.

        Source: Synapse, ``RoomSendEventRestServlet``.
        """
        return self._send(SEND_EVENT_ANEW, body=content, room_id=room_id, type=type)
