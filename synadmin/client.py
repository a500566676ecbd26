"""Synapse: every resource group, loaded on first use."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from synadmin.errors import (
    MatrixError,
    NotFoundError,
    NotSupportedError,
    ServerError,
    SettingsError,
    SynadminError,
)
from synadmin.http.connection import Connection, checked_homeserver
from synadmin.http.group import LoadedGroup, groups_of
from synadmin.http.transport import Retries, Transport
from synadmin.http.wire import RequestsWire
from synadmin.ids import UserId
from synadmin.journal import Journal

if TYPE_CHECKING:
    from synadmin.api.activity import Activity
    from synadmin.api.background_updates import BackgroundUpdates
    from synadmin.api.client_server import ClientServer
    from synadmin.api.devices import Devices
    from synadmin.api.events import Events
    from synadmin.api.experimental import Experimental
    from synadmin.api.federation import Federation
    from synadmin.api.history import History
    from synadmin.api.lookup import Lookup
    from synadmin.api.media import Media
    from synadmin.api.moderation import Moderation
    from synadmin.api.notices import Notices
    from synadmin.api.registration import Registration
    from synadmin.api.registration_tokens import RegistrationTokens
    from synadmin.api.reports import Reports
    from synadmin.api.room_deletion import RoomDeletion
    from synadmin.api.rooms import Rooms
    from synadmin.api.server import Server
    from synadmin.api.statistics import Statistics
    from synadmin.api.tasks import Tasks
    from synadmin.api.users import Users
    from synadmin.http.wire import Limiter
    from synadmin.mas.service import Mas, MasAccess

_STABLE_AUTH_METADATA = (1, 150)  # the first Synapse with the stable path
_MAS_API = "/api/admin/v1/"
_WITHOUT_LEVELS = (1, 136)  # the first Synapse where Make Room Admin works without a power-levels event


def _loaded() -> Any:  # noqa: ANN401  the annotation of the attribute has the type
    return LoadedGroup("synadmin.api")


class Synapse:
    """A Synapse homeserver, through its Admin API.

    >>> Synapse("https://matrix.example.org", token=token).rooms.get(room_id).joined_members
    """

    rooms: "Rooms" = _loaded()
    room_deletion: "RoomDeletion" = _loaded()
    history: "History" = _loaded()
    events: "Events" = _loaded()
    notices: "Notices" = _loaded()
    users: "Users" = _loaded()
    registration: "Registration" = _loaded()
    media: "Media" = _loaded()
    reports: "Reports" = _loaded()
    federation: "Federation" = _loaded()
    statistics: "Statistics" = _loaded()
    background_updates: "BackgroundUpdates" = _loaded()
    tasks: "Tasks" = _loaded()
    activity: "Activity" = _loaded()
    devices: "Devices" = _loaded()
    experimental: "Experimental" = _loaded()
    lookup: "Lookup" = _loaded()
    moderation: "Moderation" = _loaded()
    registration_tokens: "RegistrationTokens" = _loaded()
    server: "Server" = _loaded()
    client_server: "ClientServer" = _loaded()

    _parent: "Synapse | None" = None

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
        transport: Transport | None = None,
        mas: "MasAccess | None" = None,
        renewed: Callable[[], str] | None = None,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            homeserver: the base URL, or ``unix://`` and the path of a socket.
            token: a server admin's access token.
            timeout: seconds for one whole answer, from connecting to its last byte.
            longest_wait: the most seconds to wait in total when the server says "too many requests".
            ca_file: certificates to trust instead of the usual ones.
            journal: where every change is written down before it is sent.
            notify: is called with a sentence when there is a wait.
            trace: is called for each request: method, path, status, milliseconds.
            connections: how many to keep open.
            allow_plain_http: send the token over plain http to other machines.
            transport: the transport to send with; then no other argument is used.
            mas: how to reach the admin API of the Matrix Authentication Service, if it manages the accounts.
            renewed: returns the current token, for a token that is renewed during the run.

        Raises:
            SettingsError: the homeserver is not a base URL.
        """
        if transport is None:
            connection = Connection(
                checked_homeserver(homeserver, allow_plain_http=allow_plain_http),
                token=token,
                timeout=timeout,
                ca_file=ca_file,
                pool_size=connections,
                renewed=renewed,
            )
            retries = Retries(longest_wait=longest_wait, notify=notify or (lambda _: None), trace=trace)
            transport = Transport(connection, RequestsWire(connection), journal=journal, retries=retries)
        self.transport = transport
        self._mas_access = mas
        self.allow_plain_http = allow_plain_http

    def __repr__(self) -> str:
        return f"Synapse({self.transport.homeserver!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        mas = vars(self).get("mas")
        if mas is not None and self._parent is None:
            mas.close()
        self.transport.close()

    def as_user(self, user_id: str, token: str) -> Self:
        """Return a client for the same server with the token of another user."""
        return self._with_transport(self.transport.as_user(UserId(user_id), token))

    def dry_run(self) -> Self:
        """Return a client for the same server that reads, and raises DryRunStop in place of changes."""
        return self._with_transport(self.transport.dry_run())

    def fast(self, limiter: "Limiter | None" = None) -> Self:
        """Return a client for the same server, for many reads in several threads.

        Args:
            limiter: is asked before each request whether it may be sent now.
        """
        return self._with_transport(self.transport.fast(limiter))

    def _with_transport(self, transport: Transport) -> Self:
        other = type(self)(transport.homeserver, transport=transport)
        other.allow_plain_http = self.allow_plain_http
        other._parent = self  # noqa: SLF001  the same class
        return other

    @property
    def owner(self) -> UserId:
        """Return the owner of the token, asked for once."""
        return self.transport.owner()

    @property
    def mas_manages_accounts(self) -> bool:
        """Whether the Matrix Authentication Service (MAS) manages the accounts, asked for once.

        Synapse serves the metadata of MAS only there. Elsewhere it answers that it has no such path.

        Raises:
            SynadminError: the server did not say.
        """
        return self.auth_metadata is not None

    @cached_property
    def auth_metadata(self) -> Mapping[str, Any] | None:
        """The metadata of the Matrix Authentication Service (MAS), asked for once; None where there is none.

        Raises:
            SynadminError: the server did not say.
        """
        if self._parent is None:
            return self._ask_for_mas()
        known = vars(self._parent)  # the parent keeps the answer for all its copies
        if "auth_metadata" not in known:
            known["auth_metadata"] = self._ask_for_mas()
        return known["auth_metadata"]  # type: ignore[no-any-return]

    @cached_property
    def mas(self) -> "Mas | None":
        """The admin API of the Matrix Authentication Service (MAS); None where Synapse manages the accounts.

        No request is sent to MAS yet: ``mas.require()`` checks whether it can be used.

        Raises:
            SynadminError: the server did not say whether MAS manages the accounts, or where its admin API is.
        """
        if self.auth_metadata is None:
            return None
        from synadmin.mas.service import Mas, MasAccess

        if self._parent is not None:
            mas = self._parent.mas
            return mas.dry_run() if mas is not None and self.transport.is_dry_run else mas
        access = self._mas_access or MasAccess(allow_plain_http=self.allow_plain_http)
        return Mas.of(self.transport, self.auth_metadata, access)

    @cached_property
    def make_room_admin_needs_levels(self) -> bool:
        """Whether Make Room Admin fails in a room without a power-levels event, asked for once.

        Synapse before 1.136 answers 500 there. False where the server does not say its version.

        Raises:
            SynadminError: there was no answer.
        """
        try:
            version = re.match(r"(\d+)\.(\d+)", self.server.version().server_version)
        except MatrixError:
            return False
        return version is not None and (int(version[1]), int(version[2])) < _WITHOUT_LEVELS

    def transport_of(self, path: str) -> Transport:
        """Return the transport for a path: that of MAS for its admin API, else that of Synapse.

        Raises:
            SettingsError: MAS does not manage the accounts of this server.
        """
        if not path.startswith(_MAS_API):
            return self.transport
        if self.mas is None:
            message = "the Matrix Authentication Service (MAS) does not manage the accounts of this server"
            raise SettingsError(message)
        return self.mas.transport

    def _ask_for_mas(self) -> Mapping[str, Any] | None:
        for ask in (self.client_server.auth_metadata, self.client_server.auth_metadata_unstable):
            try:
                metadata = ask()
            except (NotSupportedError, NotFoundError):
                version = self.transport.synapse_version()
                if version is not None and version >= _STABLE_AUTH_METADATA:
                    return None
                continue
            except ServerError as error:
                message = (
                    "the server does not say whether the Matrix Authentication Service (MAS) manages the "
                    f"accounts: {error}"
                )
                raise SynadminError(message, hint="make sure that MAS runs, then try again") from error
            return metadata if "issuer" in metadata else None
        return None


RESOURCE_GROUPS = groups_of(Synapse)
