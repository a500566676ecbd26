"""The common shapes of answers of the admin API: a record in an envelope, and lists by cursor.

Times are RFC 3339 in UTC, with ``Z`` and up to microseconds. Ids are ULIDs: the order of the ids is the order
in which the records were made.
"""

from typing import Any, Generic, TypeVar

import msgspec

from synadmin.http.endpoint import Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.http.transport import Body

T = TypeVar("T", bound=Record)

API = "/api/admin/v1/"
_PAGE = 100  # records; MAS knows no maximum, and its default is 10


class Resource(Record, Generic[T], frozen=True, kw_only=True):
    """A resource of MAS: its id and its attributes."""

    id: str
    attributes: T

    def flat(self) -> dict[str, Any]:
        """Return the record as one object: the id, then its attributes as the server sent them."""
        sent = self.as_sent()
        return {"id": sent["id"], **sent["attributes"]}


class Single(Record, Generic[T], frozen=True, kw_only=True):
    """An answer with one resource."""

    data: Resource[T]


def listed(path: str, kind: type[T], *, since: str | None = None) -> Paged[Resource[T]]:
    """Return the operation that lists records of a kind."""
    return Paged(
        "GET",
        f"{API}{path}",
        Resource[kind],  # type: ignore[valid-type]
        items="data",
        key="id",
        cursor="page[after]",
        total=None,
        by_links=True,
        since=since,
        dialect="mas",
    )


def one(
    method: str, path: str, kind: type[T], *, since: str | None = None, idempotent: bool | None = None
) -> Endpoint[Single[T]]:
    """Return an operation that answers with one record."""
    return Endpoint(
        method,
        f"{API}{path}",
        Single[kind],  # type: ignore[valid-type]
        since=since,
        idempotent=idempotent,
        dialect="mas",
    )


class MasGroup(ResourceGroup):
    """The operations on one kind of record of MAS."""

    def _one(
        self, endpoint: Endpoint[Single[T]], *, body: Body | None = None, **parameters: str
    ) -> Resource[T]:
        single = self.transport.send(endpoint, parameters, body=body)
        fields = msgspec.json.decode(single.raw_json, type=dict[str, msgspec.Raw])
        return single.data.keep(fields["data"])

    def _all(self, endpoint: Paged[Resource[T]], **filters: object) -> Pager[Resource[T]]:
        """Walk the records that match the filters; a filter that is None is left out."""
        query: dict[str, Any] = {
            f"filter[{name.replace('__', '-')}]": value for name, value in filters.items()
        }
        # A count costs MAS a second query.
        return self._walk(endpoint, query={"page[first]": _PAGE, "count": False, **query})
