"""What the resource groups of the API have in common: a way to the server."""

from typing import Any, TypeVar

from synadmin.http.endpoint import Endpoint, Paged
from synadmin.http.paging import Pager
from synadmin.http.transport import Body, Query, Transport

T = TypeVar("T")


class ResourceGroup:
    """The operations on one kind of resource.

    Each operation is an :class:`Endpoint` in capitals and a method of the same name in small letters:
    ``MAKE_ADMIN`` and ``make_admin``. A test holds every group to that.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def _send(
        self,
        endpoint: Endpoint[T],
        *,
        query: Query | None = None,
        body: Body | None = None,
        **parameters: str,
    ) -> T:
        return self.transport.send(endpoint, parameters, query=query, body=body)

    def _walk(self, endpoint: Paged[T], *, query: dict[str, Any], **parameters: str) -> Pager[T]:
        return Pager(self.transport, endpoint, parameters, query)
