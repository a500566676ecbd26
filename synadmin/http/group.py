"""The base class of the API's resource groups, and the attribute that loads them."""

from importlib import import_module
from typing import Any, TypeVar

from synadmin.http.endpoint import Endpoint, Paged
from synadmin.http.paging import Pager
from synadmin.http.transport import Body, Query, Transport

T = TypeVar("T")


class LoadedGroup:
    """A resource group that is imported on first use: ``rooms: "Rooms"`` from ``rooms.py`` in the package.

    It is an attribute of a client with a ``transport``.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self._name = ""
        self._kind: type = object

    def __set_name__(self, kind: type, name: str) -> None:
        self._kind, self._name = kind, name

    def __get__(self, client: Any, _: type) -> object:  # noqa: ANN401
        if client is None:
            return self
        module = import_module(f"{self._package}.{self._name}")
        group = getattr(module, self._kind.__annotations__[self._name])
        return vars(client).setdefault(self._name, group(client.transport))


def groups_of(client: type) -> tuple[str, ...]:
    """Return the names of the resource groups of a client, in the order of their declaration."""
    return tuple(name for name, attribute in vars(client).items() if isinstance(attribute, LoadedGroup))


class ResourceGroup:
    """The operations on one kind of resource.

    Each operation is an :class:`Endpoint` in capitals and a method of the same name in small letters:
    ``MAKE_ADMIN`` and ``make_admin``. A test checks this for every group.
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
