"""The data of an operation of a server: method, path, type of the answer."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Generic, Literal, Self, TypeVar

import msgspec

from synadmin.ids import encoded

T = TypeVar("T")
Dialect = Literal["matrix", "mas", "oauth"]

_IDEMPOTENT_METHODS = frozenset({"GET", "PUT", "DELETE"})


class Record(msgspec.Struct, frozen=True, dict=True):
    """The base of all models of answers: the known fields are attributes.

    ``as_sent()`` has every field of the answer, also fields that the model does not know.
    """

    @cached_property
    def raw_json(self) -> bytes | msgspec.Raw:
        """The JSON object as the server sent it; made from the model where there is none."""
        return msgspec.json.encode(self)

    def keep(self, raw_json: bytes | msgspec.Raw) -> Self:
        """Keep the JSON object that the model was decoded from, and return the model."""
        vars(self)["raw_json"] = raw_json  # cached_property reads it there: a frozen model has no setter
        return self

    def as_sent(self) -> dict[str, Any]:
        """Return the JSON object as the server sent it; made from the model where there is none."""
        return dict(msgspec.json.decode(self.raw_json))


class Empty(Record, frozen=True, kw_only=True):
    """An empty JSON object: the server accepted the request."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """An operation of a server.

    Attributes:
        method: the HTTP method.
        path: the path, with ``{parameters}`` that are percent-encoded when they are filled in.
        reply: the type the answer is decoded to.
        idempotent: sending it twice has the same effect as once; None: true for GET, PUT and DELETE, false
            for POST.
        reads: a POST that changes nothing, so it is not written to the journal.
        since: the Synapse version that introduced it; None: every supported version has it.
        mas: Synapse serves it also where the Matrix Authentication Service manages the accounts.
        instead: for a deprecated operation, what to use instead.
        absent: for a deletion: the GET with the same parameters that answers 404 afterwards. It is sent to
            verify the deletion where the first attempt got no answer, and the second one a 404.
        dialect: the format of its errors: Matrix, OAuth 2.0, or the admin API of the Matrix Authentication
            Service (MAS), where ``since`` is a version of MAS.
    """

    method: str
    path: str
    reply: type[T]
    _: KW_ONLY
    idempotent: bool | None = None
    reads: bool = False
    since: str | None = None
    mas: bool = True
    instead: str | None = None
    absent: "Endpoint[Any] | None" = None
    dialect: Dialect = "matrix"

    @property
    def changes(self) -> bool:
        """Whether the operation changes something on the server."""
        return self.method != "GET" and not self.reads

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again after an attempt with an unknown outcome."""
        return self.method in _IDEMPOTENT_METHODS if self.idempotent is None else self.idempotent

    def filled(self, parameters: Mapping[str, str]) -> str:
        """Return the path with the values of its parameters, percent-encoded."""
        return self.path.format_map({name: encoded(value) for name, value in parameters.items()})


@dataclass(frozen=True, slots=True)
class Paged(Endpoint[T]):
    """An operation that answers with a page of records and a cursor to the next one.

    ``reply`` is the type of one record.

    Attributes:
        items: the field of the answer that holds the records.
        next: the field that holds the cursor, absent or null on the last page.
        total: the field that counts all records, where there is one.
        cursor: the query parameter that takes the cursor.
        key: the field that identifies a record.
        log: equal records are kept: each is an entry of a log.
        grows: the server accepts any ``limit``, so pages may grow where the caller gives no limit.
        by_links: ``links.next`` shows that there is another page; its cursor is the key of the last record.
    """

    items: str = ""
    next: str = "next_token"
    total: str | None = "total"
    cursor: str = "from"
    key: str = ""
    log: bool = False
    grows: bool = False
    by_links: bool = False
