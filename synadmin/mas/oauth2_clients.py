"""OAuth 2.0 clients.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/oauth2-clients``.
"""

from typing import Literal

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class OAuth2Client(Record, frozen=True, kw_only=True):
    """A client; a static one is in the configuration, the others have registered themselves."""

    client_id: str
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ()
    is_static: bool = False
    client_name: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None


LIST = listed("oauth2-clients", OAuth2Client, since="1.20.0")
GET = one("GET", "oauth2-clients/{id}", OAuth2Client, since="1.20.0")


class OAuth2Clients(MasGroup):
    """OAuth 2.0 clients."""

    def list(
        self, *, client_kind: Literal["dynamic", "static"] | None = None
    ) -> Pager[Resource[OAuth2Client]]:
        """List clients, the oldest first."""
        return self._all(LIST, client__kind=client_kind)

    def get(self, id: str) -> Resource[OAuth2Client]:  # noqa: A002  the API's name
        """Return a client by its ULID."""
        return self._one(GET, id=id)
