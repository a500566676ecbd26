"""Mas: the admin API of the Matrix Authentication Service (MAS), and whether it can be used."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from synadmin.errors import (
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RefusedError,
    ReplyError,
    SynadminError,
)
from synadmin.http.connection import Connection, checked_homeserver
from synadmin.http.group import LoadedGroup, groups_of
from synadmin.http.reader import Answer
from synadmin.http.transport import Transport
from synadmin.http.wire import RequestsWire, Wire
from synadmin.ids import server_name_of
from synadmin.mas.oauth import MAS_ADMIN_SCOPE, AccessToken, OAuth

if TYPE_CHECKING:
    from synadmin.mas.compat_sessions import CompatSessions
    from synadmin.mas.oauth2_clients import OAuth2Clients
    from synadmin.mas.oauth2_sessions import OAuth2Sessions
    from synadmin.mas.personal_sessions import PersonalSessions
    from synadmin.mas.policy_data import AllPolicyData
    from synadmin.mas.registration_tokens import RegistrationTokens
    from synadmin.mas.site import Site
    from synadmin.mas.upstream_links import UpstreamLinks
    from synadmin.mas.upstream_providers import UpstreamProviders
    from synadmin.mas.user_emails import UserEmails
    from synadmin.mas.user_sessions import UserSessions
    from synadmin.mas.users import Users

PERSONAL_SESSIONS = (1, 5)
REACTIVATE = (0, 20)
REGISTRATION_TOKENS = (0, 17)
LOCKS_AT_HOMESERVER = (1, 14)  # from this version on MAS also locks the account at the homeserver
_WITH_VERSION = (1, 4)
_RENEWED = 60.0  # seconds before a token expires
_COMPATIBILITY = ("mct_", "syt_")  # prefixes of tokens that the admin API never takes
_NAME = "the Matrix Authentication Service (MAS)"
_SIGN_IN = "sign in with `synadmin login`, or set SYNADMIN_MAS_CLIENT_ID and SYNADMIN_MAS_CLIENT_SECRET"


@dataclass(frozen=True, slots=True)
class MasAccess:
    """How to reach the admin API.

    Attributes:
        url: its base URL, if it differs from that of the token endpoint.
        client_id: the OAuth 2.0 client whose token is used; None: the token of the homeserver.
        client_secret: returns the client's secret.
        allow_plain_http: send secrets over plain http to other machines.
    """

    url: str | None = None
    client_id: str | None = None
    client_secret: Callable[[], str] | None = field(default=None, repr=False)
    allow_plain_http: bool = False


def _loaded() -> Any:  # noqa: ANN401  the annotation beside it is the type
    return LoadedGroup("synadmin.mas")


class Mas:
    """The Matrix Authentication Service (MAS), through its admin API."""

    users: "Users" = _loaded()
    user_emails: "UserEmails" = _loaded()
    upstream_links: "UpstreamLinks" = _loaded()
    upstream_providers: "UpstreamProviders" = _loaded()
    compat_sessions: "CompatSessions" = _loaded()
    oauth2_sessions: "OAuth2Sessions" = _loaded()
    user_sessions: "UserSessions" = _loaded()
    personal_sessions: "PersonalSessions" = _loaded()
    oauth2_clients: "OAuth2Clients" = _loaded()
    registration_tokens: "RegistrationTokens" = _loaded()
    policy_data: "AllPolicyData" = _loaded()
    site: "Site" = _loaded()

    def __init__(self, transport: Transport, oauth: OAuth, *, wire: "ClientTokenWire | None" = None) -> None:
        """Prepare the service; no request is sent yet. See :meth:`of`.

        Args:
            transport: the transport to the admin API.
            oauth: the operations to sign in.
            wire: the connection of the transport, if it uses the token of a client.
        """
        self.transport = transport
        self.oauth = oauth
        self._wire = wire

    @classmethod
    def of(cls, homeserver: Transport, metadata: Mapping[str, Any], access: MasAccess) -> Self:
        """Return the service of a homeserver; nothing is sent yet.

        Raises:
            SettingsError: its URL is not valid, or is plain http to another machine.
            RefusedError: the URL of its admin API cannot be found out.
        """
        oauth = OAuth(homeserver, metadata, access.allow_plain_http)
        url = checked_homeserver(access.url or oauth.base, allow_plain_http=access.allow_plain_http)
        connection = replace(
            homeserver.connection, homeserver=url, service="the Matrix Authentication Service"
        )
        if access.client_id is None or access.client_secret is None:
            return cls(homeserver.beside(connection), oauth)
        wire = ClientTokenWire(connection, oauth, access.client_id, access.client_secret)
        return cls(homeserver.beside(connection, wire), oauth, wire=wire)

    def __repr__(self) -> str:
        return f"Mas({self.url!r})"

    @property
    def url(self) -> str:
        """Return the base URL of the admin API."""
        return self.transport.homeserver

    @property
    def is_client(self) -> bool:
        """Whether a client is used instead of a user's token."""
        return self._wire is not None

    @property
    def has_personal_sessions(self) -> bool:
        """Whether this MAS is new enough for personal sessions."""
        return not self.version or self.version >= PERSONAL_SESSIONS

    def close(self) -> None:
        """End the session of the client, where there is one, and close the connections."""
        self.transport.close()

    def dry_run(self) -> "Mas":
        """Return the same service for a dry run: it reads, and raises DryRunStop instead of a change."""
        other = Mas(self.transport.dry_run(), self.oauth, wire=self._wire)
        if "version" in vars(self):
            other.version = self.version
        return other

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The version, as (1, 22, 0), read once; empty where it cannot be read.

        This is the first request to the service: it shows whether the admin API can be used.

        Raises:
            RefusedError: the admin API cannot be used; ``hint`` says who can change that.
            SynadminError: there was no answer.
        """
        try:
            version = self._asked_version()
            server_name = self.site.site_config().server_name if version != (0,) else None
        except NotPermittedError as error:
            raise self._cannot("the token has no scope urn:mas:admin", _SIGN_IN) from error
        except NotAuthenticatedError as error:
            token = self.transport.connection.token or ""
            if not self.is_client and token.startswith(_COMPATIBILITY):
                reason = "it does not accept compatibility tokens, such as the present one"
            else:
                reason = f"it does not accept the token: {error.reason.removeprefix('MAS: ')}"
            raise self._cannot(reason, _SIGN_IN) from error
        except NotSupportedError as error:
            raise self._cannot(
                f"{self.url} does not serve it",
                "the operator of MAS adds the resource `adminapi` to a listener; where that is another "
                "address, set SYNADMIN_MAS to it",
            ) from error
        except ReplyError as error:
            hint = "set SYNADMIN_MAS to the base URL of its admin API"
            raise self._cannot(f"the service at {self.url} is not MAS ({error})", hint) from error
        home = server_name_of(self.transport.owner())
        if server_name not in {None, home}:
            message = f"it is for the server {server_name}, and the homeserver is {home}"
            raise self._cannot(message, "set SYNADMIN_MAS to the service of this homeserver")
        return version

    def require(self, least: tuple[int, int] = (0, 10), *, for_what: str = "this") -> None:
        """Make sure that the admin API can be used.

        Args:
            least: the oldest version of MAS that is enough.
            for_what: the command that needs it.

        Raises:
            RefusedError: the admin API cannot be used; ``hint`` says who can change that.
            SynadminError: there was no answer.
        """
        if self.version and self.version < least:
            reason = f"MAS {'.'.join(map(str, self.version))} is too old for {for_what}"
            if self.version == (0,):
                reason = f"MAS before 1.4 is too old for {for_what}"
            raise self._cannot(reason, f"update MAS to {'.'.join(map(str, least))} or newer")

    def _asked_version(self) -> tuple[int, ...]:
        """Return the version; (0,) for a MAS before 1.4, which has no operation for it."""
        try:
            text = self.site.version().version
        except NotSupportedError:
            # Before 1.4, or no admin API at all.
            next(self.users.list().limited(1).pages(), None)
            return (0,)
        return tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0])[:3])

    def _cannot(self, reason: str, hint: str) -> RefusedError:
        message = f"{_NAME} manages the accounts of this server, and its admin API cannot be used: {reason}"
        return RefusedError(message, hint=hint)


class ClientTokenWire:
    """Sends requests with the token of an OAuth 2.0 client, and takes a new token before one expires."""

    def __init__(
        self, connection: Connection, oauth: OAuth, client_id: str, secret: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._oauth = oauth
        self._client_id = client_id
        self._secret = secret
        self._held: tuple[Wire, AccessToken, float] | None = None
        self._taking = threading.Lock()

    def exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        """Send a request and return its answer."""
        return self._current().exchange(method, target, content)

    def close(self) -> None:
        """End the session of the client: each token has a separate session."""
        held, self._held = self._held, None
        if held is not None:
            wire, token, _ = held
            wire.close()
            with suppress(SynadminError):
                self._oauth.revoke(token.access_token, self._client_id, self._secret())

    def _current(self) -> Wire:
        with self._taking:
            if self._held is None or self._held[2] < time.monotonic():
                self.close()
                token = self._token()
                lasts = token.expires_in or _RENEWED
                until = time.monotonic() + max(lasts - _RENEWED, lasts / 2)
                wire = RequestsWire(replace(self._connection, token=token.access_token, renewed=None))
                self._held = wire, token, until
            return self._held[0]

    def _token(self) -> AccessToken:
        try:
            return self._oauth.client_token(self._client_id, self._secret(), MAS_ADMIN_SCOPE)
        except (NotAuthenticatedError, NotPermittedError, NotFoundError) as error:
            raise RefusedError(
                f"{_NAME} gives the client {self._client_id} no token for its admin API: {error.reason}",
                hint="the operator of MAS lists the client under `clients`, and its id under "
                "`policy.data.admin_clients`",
            ) from error


RESOURCE_GROUPS = groups_of(Mas)
