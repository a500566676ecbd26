"""The users of a sandbox. Each acts with their own token, as a client does.

Their requests are not written to the journal: it is for the work of an administrator on a real server.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from synadmin.client import Synapse
from synadmin.errors import MatrixError
from synadmin.http.endpoint import Endpoint
from synadmin.http.transport import Query
from synadmin.ids import EventId, RoomId, UserId, server_name_of

Content: TypeAlias = Mapping[str, Any]

VERSION = "11"
"""The default room version: the newest one where creators need a power level as other users do."""


class Person:
    """A user of a sandbox with a session."""

    def __init__(self, url: str, user_id: UserId, token: str) -> None:
        self.user_id = user_id
        self.token = token
        # No wait: a rate limit that a user reaches here is an error in the description of a situation.
        self.synapse = Synapse(url, token=token, longest_wait=0)

    def __repr__(self) -> str:
        return f"Person({self.user_id!r})"

    @property
    def server_name(self) -> str:
        """The server name of the account."""
        return server_name_of(self.user_id)

    def close(self) -> None:
        """Close the connections. The session on the server stays."""
        self.synapse.transport.close()

    def call(
        self, method: str, path: str, body: Content | None = None, *, query: Query | None = None
    ) -> dict[str, Any]:
        """Send one request for which the client has no method, and return the answer.

        Args:
            method: the HTTP method.
            path: the path; ids in it are percent-encoded already (:func:`synadmin.ids.encoded`).
            body: the JSON body.
            query: the query.

        Raises:
            SynadminError: as :meth:`synadmin.http.transport.Transport.send`.
        """
        return self.synapse.transport.send(Endpoint(method, path, dict[str, Any]), query=query, body=body)

    # Rooms

    def create_room(
        self,
        name: str | None = None,
        *,
        version: str | None = VERSION,
        public: bool = False,
        space: bool = False,
        alias: str | None = None,
        join_rule: Content | str | None = None,
        creation: Content | None = None,
        state: Iterable[Content] = (),
        levels: Content | None = None,
    ) -> RoomId:
        """Create a room and return its id.

        Args:
            name: its name.
            version: its version; None: the server's default.
            public: every user may join, and it is in the room directory; else only invited users may join.
            space: make it a space.
            alias: the localpart of its alias.
            join_rule: its join rule (``knock``), or the whole content of ``m.room.join_rules``.
            creation: further fields of ``m.room.create``: ``additional_creators``, ``m.federate``.
            state: further initial state events, ``{type, state_key, content}``.
            levels: power levels that replace those that Synapse gives a new room.
        """
        if isinstance(join_rule, str):
            join_rule = {"join_rule": join_rule}
        initial = list(state)
        if join_rule is not None:
            initial.append({"type": "m.room.join_rules", "state_key": "", "content": join_rule})
        body: dict[str, Any] = {
            "preset": "public_chat" if public else "private_chat",
            "visibility": "public" if public else "private",
            "name": name,
            "room_version": version,
            "room_alias_name": alias,
            "creation_content": {**(creation or {}), **({"type": "m.space"} if space else {})},
            "initial_state": initial,
            "power_level_content_override": levels,
        }
        options = {key: value for key, value in body.items() if value is not None}
        return self.synapse.client_server.create_room(**options).room_id

    def state(self, room_id: RoomId, kind: str, key: str = "") -> dict[str, Any]:
        """Return the content of a state event that this user may see."""
        return self.synapse.client_server.state_event(room_id, kind, key)

    def send_state(self, room_id: RoomId, kind: str, content: Content, key: str = "") -> EventId:
        """Send a state event and return its id."""
        return self.synapse.client_server.send_state(room_id, kind, content, key).event_id

    def set_levels(self, room_id: RoomId, content: Content) -> EventId:
        """Replace the whole content of ``m.room.power_levels``."""
        return self.send_state(room_id, "m.room.power_levels", content)

    def set_power(self, room_id: RoomId, levels: Mapping["Person | UserId", int | str]) -> EventId:
        """Set the power levels of these users, and change nothing else."""
        content = self.state(room_id, "m.room.power_levels")
        users = content.get("users", {}) | {_user_id(who): level for who, level in levels.items()}
        return self.set_levels(room_id, {**content, "users": users})

    def invite(self, room_id: RoomId, *people: "Person | UserId") -> None:
        """Invite these users."""
        for who in people:
            self.synapse.client_server.invite(room_id, _user_id(who))

    def join(self, room_id: RoomId, *, via: Iterable[str] = ()) -> None:
        """Join the room, through one of these servers if no local user is in it."""
        self.synapse.client_server.join(room_id, via=list(via))

    def knock(self, room_id: RoomId) -> None:
        """Knock."""
        self.synapse.client_server.knock(room_id)

    def leave(self, room_id: RoomId) -> None:
        """Leave the room, or reject its invitation."""
        self.synapse.client_server.leave(room_id)

    def kick(self, room_id: RoomId, *people: "Person | UserId") -> None:
        """Remove these users from the room."""
        for who in people:
            self.synapse.client_server.kick(room_id, _user_id(who))

    def ban(self, room_id: RoomId, *people: "Person | UserId") -> None:
        """Ban these users."""
        for who in people:
            self.synapse.client_server.ban(room_id, _user_id(who))

    def unban(self, room_id: RoomId, *people: "Person | UserId") -> None:
        """Lift the bans of these users."""
        for who in people:
            self.synapse.client_server.unban(room_id, _user_id(who))

    def bring_in(self, room_id: RoomId, *people: "Person") -> None:
        """Invite these users, and join as each of them."""
        for who in people:
            self.invite(room_id, who)
            who.join(room_id, via=[self.server_name])

    def make_room(
        self,
        name: str | None = None,
        *,
        users: Mapping["Person | UserId", int | str] | None = None,
        members: Iterable["Person"] = (),
        invited: Iterable["Person | UserId"] = (),
        banned: Iterable["Person | UserId"] = (),
        left: Iterable["Person"] = (),
        exact_levels: Content | None = None,
        **room: Any,  # noqa: ANN401 - passed on to create_room
    ) -> RoomId:
        """Create a room with these members, bans and power levels, and return its id.

        Users join first. Then users are invited and banned, levels are set, and users leave. Levels are set
        late, because they may forbid the other steps.

        Args:
            name: its name.
            users: power levels of users, in addition to those of a new room.
            members: users who join and stay.
            invited: users who are invited and do not join.
            banned: users who are banned.
            left: users who leave at the end; the creator may be one of them.
            exact_levels: the whole content of ``m.room.power_levels``, in place of ``users``.
            room: as for :meth:`create_room`.
        """
        room_id = self.create_room(name, **room)
        leaving = list(left)
        coming = dict.fromkeys([*members, *leaving])
        self.bring_in(room_id, *(who for who in coming if who is not self))
        self.invite(room_id, *invited)
        self.ban(room_id, *banned)
        if exact_levels is not None:
            self.set_levels(room_id, exact_levels)
        elif users:
            self.set_power(room_id, users)
        for who in leaving:
            who.leave(room_id)
        return room_id

    # Requests of a server admin

    def modify_user(self, who: "Person | UserId", **changes: Any) -> None:  # noqa: ANN401 - any JSON
        """Change an account, for example with ``locked=True`` or ``admin=True``."""
        self.synapse.users.modify(_user_id(who), **changes)

    def suspend(self, who: "Person | UserId", *, suspended: bool = True) -> None:
        """Suspend an account, or end its suspension."""
        self.synapse.users.suspend(_user_id(who), suspend=suspended)

    def shadow_ban(self, who: "Person | UserId") -> None:
        """Shadow-ban a user."""
        self.synapse.moderation.shadow_ban(_user_id(who))

    def block(self, room_id: RoomId, *, blocked: bool = True) -> None:
        """Block a room on this server, or unblock it."""
        self.synapse.rooms.block(room_id, block=blocked)

    def state_events(self, room_id: RoomId, kind: str | None = None) -> list[dict[str, Any]]:
        """Return a room's state events; the caller need not be in the room."""
        events: list[dict[str, Any]] = self.synapse.rooms.state(room_id, type=kind).as_sent()["state"]
        # Synapse before 1.123 ignores the type, and sends the whole state.
        return [event for event in events if kind in {None, event["type"]}]

    def levels_event(self, room_id: RoomId) -> dict[str, Any] | None:
        """Return a room's ``m.room.power_levels`` event; None where there is none."""
        events = self.state_events(room_id, "m.room.power_levels")
        return next((event for event in events if event["state_key"] == ""), None)

    def membership(self, room_id: RoomId, who: "Person | UserId") -> str | None:
        """Return a user's membership in a room; None where the user was never in it."""
        for event in self.state_events(room_id, "m.room.member"):
            if event["state_key"] == _user_id(who):
                return str(event["content"]["membership"])
        return None

    @contextlib.contextmanager
    def lifted_limits(self, *people: "Person | UserId") -> Iterator[None]:
        """Lift Synapse's rate limits for these users while the block runs."""
        users = [_user_id(who) for who in people]
        for user in users:
            self.synapse.users.set_ratelimit(user, messages_per_second=0, burst_count=0)
        try:
            yield
        finally:
            for user in users:
                self.synapse.users.delete_ratelimit(user)


def register(
    url: str,
    localpart: str,
    *,
    password: str,
    shared_secret: str,
    admin: bool = False,
    display_name: str | None = None,
) -> Person:
    """Register a user with the server's shared secret; log in where the user exists already."""
    with Synapse(url, longest_wait=0) as synapse:
        try:
            made = synapse.registration.register(
                localpart, password, shared_secret=shared_secret, admin=admin, displayname=display_name
            )
        except MatrixError as error:
            if error.errcode != "M_USER_IN_USE":
                raise
            session = synapse.client_server.login(localpart, password)
            return Person(url, session.user_id, session.access_token)
    return Person(url, made.user_id, made.access_token)


def _user_id(who: Person | UserId) -> UserId:
    return who.user_id if isinstance(who, Person) else who
