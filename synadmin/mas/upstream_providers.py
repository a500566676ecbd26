"""Upstream identity providers.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/upstream-oauth-providers``.
"""

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class UpstreamProvider(Record, frozen=True, kw_only=True):
    """A provider of the configuration; one that was removed from it has ``disabled_at``."""

    created_at: str
    issuer: str | None = None
    human_name: str | None = None
    brand_name: str | None = None
    disabled_at: str | None = None
    registration_token_required: bool = False


LIST = listed("upstream-oauth-providers", UpstreamProvider, since="1.3.0")
GET = one("GET", "upstream-oauth-providers/{id}", UpstreamProvider, since="1.4.0")


class UpstreamProviders(MasGroup):
    """Upstream identity providers."""

    def list(self, *, enabled: bool | None = None) -> Pager[Resource[UpstreamProvider]]:
        """List the providers."""
        return self._all(LIST, enabled=enabled)

    def get(self, id: str) -> Resource[UpstreamProvider]:  # noqa: A002  the API's name
        """Return a provider by its ULID."""
        return self._one(GET, id=id)
