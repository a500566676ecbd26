"""Synapse: every resource group, loaded on first use."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Self

from synadmin.errors import NotFoundError, NotSupportedError, ServerError, SynadminError
from synadmin.http.transport import Retries, Transport
from synadmin.http.wire import Connection, RequestsWire, checked_homeserver
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

_STABLE_AUTH_METADATA = (1, 150)  # this Synapse and newer ones have the stable path where MAS is in charge


class Synapse:
    """A Synapse homeserver, through its Admin API.

    >>> Synapse("https://matrix.example.org", token=token).rooms.get(room_id).joined_members
    """

    _mas_manages_accounts: bool | None = None

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
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            homeserver: the base URL, or ``unix://`` and the path of a socket.
            token: a server admin's access token.
            timeout: seconds for one whole answer, from connecting to its last byte.
            longest_wait: seconds to wait at most, altogether, where the server says "too many requests".
            ca_file: certificates to trust instead of the usual ones.
            journal: where every change is written down before it is sent.
            notify: is told, in words, when there is a wait.
            trace: is told of each request: method, path, status, milliseconds.
            connections: how many to keep open.
            allow_plain_http: send the token over plain http to other machines.
            transport: what to send with; then nothing else is used.

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
            )
            retries = Retries(longest_wait=longest_wait, notify=notify or (lambda _: None), trace=trace)
            transport = Transport(connection, RequestsWire(connection), journal=journal, retries=retries)
        self.transport = transport

    def __repr__(self) -> str:
        return f"Synapse({self.transport.homeserver!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def as_user(self, user_id: UserId, token: str) -> "Synapse":
        """Return a client for the same server with the token of another user."""
        return self._over(self.transport.as_user(user_id, token))

    def dry_run(self) -> "Synapse":
        """Return a client for the same server that reads, and raises DryRunStop instead of changing."""
        return self._over(self.transport.dry_run())

    def fast(self, limiter: "Limiter | None" = None) -> "Synapse":
        """Return a client for the same server, made for reading much in many threads.

        Args:
            limiter: is asked before each request whether it may be sent now.
        """
        return self._over(self.transport.fast(limiter))

    def _over(self, transport: Transport) -> "Synapse":
        return Synapse(transport.homeserver, transport=transport)

    @property
    def owner(self) -> UserId:
        """Return whose token it is, asked for once."""
        return self.transport.owner()

    @property
    def mas_manages_accounts(self) -> bool:
        """Whether the Matrix Authentication Service (MAS) manages the accounts, asked for once.

        Synapse has the operation only there: elsewhere it answers that it knows no such path.

        Raises:
            SynadminError: the server did not say.
        """
        if self._mas_manages_accounts is None:
            self._mas_manages_accounts = self._ask_for_mas()
        return self._mas_manages_accounts

    def _ask_for_mas(self) -> bool:
        for ask in (self.client_server.auth_metadata, self.client_server.auth_metadata_unstable):
            try:
                metadata = ask()
            except (NotSupportedError, NotFoundError):
                version = self.transport.synapse_version()
                if version is not None and version >= _STABLE_AUTH_METADATA:
                    return False
                continue
            except ServerError as error:
                message = (
                    "the server does not say whether the Matrix Authentication Service (MAS) manages the "
                    f"accounts: {error}"
                )
                raise SynadminError(message, hint="make sure that MAS runs, then try again") from error
            return "issuer" in metadata
        return False

    @cached_property
    def rooms(self) -> "Rooms":
        """Rooms."""
        from synadmin.api.rooms import Rooms

        return Rooms(self.transport)

    @cached_property
    def room_deletion(self) -> "RoomDeletion":
        """Deleting rooms."""
        from synadmin.api.room_deletion import RoomDeletion

        return RoomDeletion(self.transport)

    @cached_property
    def history(self) -> "History":
        """The history of rooms."""
        from synadmin.api.history import History

        return History(self.transport)

    @cached_property
    def events(self) -> "Events":
        """Events in rooms."""
        from synadmin.api.events import Events

        return Events(self.transport)

    @cached_property
    def notices(self) -> "Notices":
        """Server notices."""
        from synadmin.api.notices import Notices

        return Notices(self.transport)

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
    def media(self) -> "Media":
        """Media."""
        from synadmin.api.media import Media

        return Media(self.transport)

    @cached_property
    def reports(self) -> "Reports":
        """What users have reported."""
        from synadmin.api.reports import Reports

        return Reports(self.transport)

    @cached_property
    def federation(self) -> "Federation":
        """The other servers."""
        from synadmin.api.federation import Federation

        return Federation(self.transport)

    @cached_property
    def statistics(self) -> "Statistics":
        """Who stores how much."""
        from synadmin.api.statistics import Statistics

        return Statistics(self.transport)

    @cached_property
    def background_updates(self) -> "BackgroundUpdates":
        """Work on the database, beside everything else."""
        from synadmin.api.background_updates import BackgroundUpdates

        return BackgroundUpdates(self.transport)

    @cached_property
    def tasks(self) -> "Tasks":
        """Work put off, or under way."""
        from synadmin.api.tasks import Tasks

        return Tasks(self.transport)

    @cached_property
    def activity(self) -> "Activity":
        """What users do and have."""
        from synadmin.api.activity import Activity

        return Activity(self.transport)

    @cached_property
    def devices(self) -> "Devices":
        """Devices, each of them a session."""
        from synadmin.api.devices import Devices

        return Devices(self.transport)

    @cached_property
    def experimental(self) -> "Experimental":
        """Experimental features for single users."""
        from synadmin.api.experimental import Experimental

        return Experimental(self.transport)

    @cached_property
    def lookup(self) -> "Lookup":
        """Whose an address, an external id or a name is."""
        from synadmin.api.lookup import Lookup

        return Lookup(self.transport)

    @cached_property
    def moderation(self) -> "Moderation":
        """Keeping a user's messages from others."""
        from synadmin.api.moderation import Moderation

        return Moderation(self.transport)

    @cached_property
    def registration_tokens(self) -> "RegistrationTokens":
        """Registration tokens."""
        from synadmin.api.registration_tokens import RegistrationTokens

        return RegistrationTokens(self.transport)

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
