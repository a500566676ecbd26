"""Accounts of upstream identity providers that are linked to accounts here.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/upstream-oauth-links``.
"""

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class UpstreamLink(Record, frozen=True, kw_only=True):
    """A link: the provider, the subject there, and the ULID of the account here (None without one)."""

    created_at: str
    provider_id: str
    subject: str
    user_id: str | None = None
    human_account_name: str | None = None


LIST = listed("upstream-oauth-links", UpstreamLink, since="0.14.0")
GET = one("GET", "upstream-oauth-links/{id}", UpstreamLink, since="0.14.0")
CREATE = one("POST", "upstream-oauth-links", UpstreamLink, since="0.15.0")
DELETE = Endpoint(
    "DELETE", "/api/admin/v1/upstream-oauth-links/{id}", Empty, since="0.15.0", absent=GET, dialect="mas"
)


class UpstreamLinks(MasGroup):
    """Links to accounts of upstream identity providers."""

    def list(
        self, *, user: str | None = None, provider: str | None = None, subject: str | None = None
    ) -> Pager[Resource[UpstreamLink]]:
        """List links: all, or those of one account or provider (by ULID), or of one subject there."""
        return self._all(LIST, user=user, provider=provider, subject=subject)

    def get(self, id: str) -> Resource[UpstreamLink]:  # noqa: A002  the API's name
        """Return a link by its ULID."""
        return self._one(GET, id=id)

    def create(
        self, user_id: str, provider_id: str, subject: str, *, human_account_name: str | UnsetType = UNSET
    ) -> Resource[UpstreamLink]:
        """Link an account. An existing link without an account is used.

        Raises:
            NotFoundError: there is no such account, or no such provider.
            MatrixError: 409, the subject is linked to another account.
        """
        body = {
            "user_id": user_id,
            "provider_id": provider_id,
            "subject": subject,
            "human_account_name": human_account_name,
        }
        return self._one(CREATE, body=body)

    def delete(self, id: str) -> Empty:  # noqa: A002
        """Remove a link. The next sign-on by the provider may make it again."""
        return self._send(DELETE, id=id)
