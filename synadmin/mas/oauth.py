"""Signing in at the Matrix Authentication Service (MAS): the operations of OAuth 2.0.

Their URLs come from the metadata of the service; they are never built from its issuer.
Source: RFC 6749, RFC 7009, RFC 7591, RFC 8628.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from synadmin._version import __version__
from synadmin.errors import NotSupportedError, RefusedError
from synadmin.http.connection import checked_homeserver
from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.transport import Transport

T = TypeVar("T")

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
MATRIX_SCOPE = "urn:matrix:client:api:*"
SYNAPSE_ADMIN_SCOPE = "urn:synapse:admin:*"
MAS_ADMIN_SCOPE = "urn:mas:admin"
_TOKEN = "token_endpoint"  # noqa: S105  the name of a field
_WEBSITE = "https://pypi.org/project/synadmin/"
_SERVICE = "the Matrix Authentication Service"


class AccessToken(Record, frozen=True, kw_only=True):
    """An access token and its refresh token, both secrets. ``expires_in`` is in seconds."""

    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None
    scope: str = ""

    def __repr__(self) -> str:
        return "AccessToken()"


class DeviceCode(Record, frozen=True, kw_only=True):
    """A code that the user types in a browser to give the client a token. Times are in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None = None
    expires_in: float = 1200
    interval: float = 5

    def __repr__(self) -> str:
        return "DeviceCode()"


class RegisteredClient(Record, frozen=True, kw_only=True):
    """A client that has registered itself. ``grant_types`` has only what MAS allows."""

    client_id: str
    grant_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OAuth:
    """The operations of OAuth 2.0.

    Attributes:
        transport: the transport of the homeserver.
        metadata: the metadata of the service (RFC 8414).
        allow_plain_http: send secrets over plain http to other machines.
    """

    transport: Transport
    metadata: Mapping[str, Any]
    allow_plain_http: bool = False

    def url(self, name: str) -> str:
        """Return the URL of an operation.

        Raises:
            NotSupportedError: the service has no such operation.
        """
        url = self.metadata.get(name)
        if not isinstance(url, str) or not url:
            message = f"{_SERVICE} offers no {name.replace('_', ' ')}"
            raise NotSupportedError(status=404, errcode="", reason=message)
        return url

    @property
    def base(self) -> str:
        """Return where the service is: the URL of its token endpoint without ``oauth2/token``.

        Raises:
            RefusedError: its token endpoint has another path.
        """
        url = str(self.metadata.get(_TOKEN))
        if not url.endswith("/oauth2/token"):
            message = (
                f"{_SERVICE} (MAS) manages the accounts of this server, and does not say where its admin "
                f"API is: its token endpoint is {url}"
            )
            raise RefusedError(message, hint="set SYNADMIN_MAS to the base URL of its admin API")
        return url.removesuffix("/oauth2/token")

    def client_token(self, client_id: str, secret: str, scope: str) -> AccessToken:
        """Return a token of the client itself."""
        form = {"grant_type": "client_credentials", "scope": scope}
        return self._post(_TOKEN, AccessToken, form, client=(client_id, secret), idempotent=True)

    def register(self) -> RegisteredClient:
        """Register this program as a client; the same metadata gives the same client."""
        client = {
            "client_name": "synadmin",
            "client_uri": _WEBSITE,
            "application_type": "native",
            "grant_types": [DEVICE_CODE, "refresh_token"],
            "response_types": [],
            "token_endpoint_auth_method": "none",
            "software_version": __version__,
        }
        return self._post("registration_endpoint", RegisteredClient, client, form=False, idempotent=True)

    def device_code(self, client_id: str, scope: str) -> DeviceCode:
        """Return a code for a person to type in a browser."""
        body = {"client_id": client_id, "scope": scope}
        return self._post("device_authorization_endpoint", DeviceCode, body, idempotent=True)

    def device_token(self, client_id: str, device_code: str) -> AccessToken:
        """Return the token, once the person has consented.

        Raises:
            MatrixError: ``errcode`` is ``authorization_pending``, ``access_denied`` or ``expired_token``.
        """
        body = {"grant_type": DEVICE_CODE, "device_code": device_code, "client_id": client_id}
        return self._post(_TOKEN, AccessToken, body)

    def refreshed(self, client_id: str, refresh_token: str) -> AccessToken:
        """Return a new pair of tokens. The old refresh token ends once the new access token is used."""
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
        return self._post(_TOKEN, AccessToken, body)

    def revoke(self, token: str, client_id: str, secret: str | None = None) -> Empty:
        """End the session of a token."""
        if secret is not None:
            client = (client_id, secret)
            return self._post("revocation_endpoint", Empty, {"token": token}, client=client, idempotent=True)
        return self._post("revocation_endpoint", Empty, {"token": token, "client_id": client_id})

    def _post(
        self,
        name: str,
        reply: type[T],
        body: Mapping[str, Any],
        *,
        form: bool = True,
        client: tuple[str, str] | None = None,
        idempotent: bool = False,
    ) -> T:
        parts = urlsplit(self.url(name))
        there = checked_homeserver(f"{parts.scheme}://{parts.netloc}", allow_plain_http=self.allow_plain_http)
        connection = replace(
            self.transport.connection,
            homeserver=there,
            token=None,
            renewed=None,
            service=_SERVICE,
            is_form=form,
            client=client,
        )
        # Signing in cannot be undone: it is not in the journal.
        endpoint = Endpoint("POST", parts.path, reply, reads=True, idempotent=idempotent, dialect="oauth")
        with self.transport.beside(connection) as transport:
            return transport.send(endpoint, body=body)
