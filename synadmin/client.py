"""Synapse: every resource group, loaded on first use."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Self

from synadmin.http.transport import Transport, checked_homeserver
from synadmin.ids import UserId
from synadmin.journal import Journal

if TYPE_CHECKING:
    from synadmin.api.client_server import ClientServer
    from synadmin.api.registration import Registration
    from synadmin.api.rooms import Rooms
    from synadmin.api.server import Server
    from synadmin.api.users import Users


class Synapse:
    """A Synapse homeserver, through its Admin API.

    >>> Synapse("https://matrix.example.org", token=token).rooms.get(room_id).joined_members
    """

    def __init__(
        self,
        homeserver: str,
        *,
        token: str | None = None,
        timeout: float = 60.0,
        longest_wait: float = 60.0,
        ca_file: str | None = None,
        journal: Journal | None = None,
        notify: Callable[[str], None] | None = None,
        trace: Callable[[str], None] | None = None,
        connections: int = 8,
        allow_plain_http: bool = False,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            homeserver: the base URL.
            token: a server admin's access token.
            timeout: seconds without a byte of the answer before giving up.
            longest_wait: seconds to wait at most, altogether, where the server says "too many requests".
            ca_file: certificates to trust instead of the usual ones.
            journal: where every change is written down before it is sent.
            notify: is told, in words, when there is a wait.
            trace: is told of each request: method, path, status, milliseconds.
            connections: how many to keep open.
            allow_plain_http: send the token over plain http to other machines.

        Raises:
            SettingsError: the homeserver is not a base URL.
        """
        self.transport = Transport(
            checked_homeserver(homeserver, allow_plain_http=allow_plain_http),
            token,
            timeout=timeout,
            longest_wait=longest_wait,
            ca_file=ca_file,
            journal=journal,
            notify=notify,
            trace=trace,
            connections=connections,
        )

    def __repr__(self) -> str:
        return f"Synapse({self.transport.homeserver!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def acting_as(self, user_id: UserId, token: str) -> "Synapse":
        """Return a client for the same server with the token of another user."""
        other = Synapse.__new__(Synapse)
        other.transport = self.transport.acting_as(user_id, token)
        return other

    @property
    def owner(self) -> UserId:
        """Return whose token it is, asked for once."""
        return self.transport.owner()

    @cached_property
    def rooms(self) -> "Rooms":
        """Rooms."""
        from synadmin.api.rooms import Rooms

        return Rooms(self.transport)

    @cached_property
    def users(self) -> "Users":
        """Accounts."""
        from synadmin.api.users import Users

        return Users(self.transport)

    @cached_property
    def registration(self) -> "Registration":
        """Accounts by shared secret."""
        from synadmin.api.registration import Registration

        return Registration(self.transport)

    @cached_property
    def server(self) -> "Server":
        """The server itself."""
        from synadmin.api.server import Server

        return Server(self.transport)

    @cached_property
    def client_server(self) -> "ClientServer":
        """What the token's owner does as an ordinary user."""
        from synadmin.api.client_server import ClientServer

        return ClientServer(self.transport)
