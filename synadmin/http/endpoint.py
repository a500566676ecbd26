"""An operation of a server, as data."""

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

    Nothing is lost: ``as_sent()`` has every field of the answer, known to the model or not.
    """

    @cached_property
    def raw_json(self) -> bytes | msgspec.Raw:
        """The JSON object as the server sent it; what the model holds, where the server sent none."""
        return msgspec.json.encode(self)

    def keep(self, raw_json: bytes | msgspec.Raw) -> Self:
        """Keep the JSON object that the model was decoded from, and return the model."""
        vars(self)["raw_json"] = raw_json  # where cached_property looks: a frozen model has no setter
        return self

    def as_sent(self) -> dict[str, Any]:
        """Return the JSON object as the server sent it; what the model holds, where the server sent none."""
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
        idempotent: sending it twice has the effect of sending it once; None leaves it to the method:
            GET, PUT and DELETE are, POST is not.
        reads: it changes nothing although it is a POST, so the journal does not hear of it.
        since: the Synapse version that introduced it, where it is younger than others.
        mas: still served where the Matrix Authentication Service is in charge of accounts.
        instead: for a deprecated operation, what to use instead.
        absent: for one that deletes: the GET with the same parameters that answers 404 afterwards. It decides
            where the first attempt got no answer and the second one finds nothing to delete.
        dialect: whose errors its answers are: Matrix, the admin API of the Matrix Authentication Service
            (MAS), where ``since`` is a version of MAS, or OAuth 2.0.
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
        """Whether carrying it out changes something on the server."""
        return self.method != "GET" and not self.reads

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when it may have been carried out already."""
        return self.method in _IDEMPOTENT_METHODS if self.idempotent is None else self.idempotent

    def filled(self, parameters: Mapping[str, str]) -> str:
        """Return the path with its parameters, each one percent-encoded segment."""
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
        key: the field that tells one record from another.
        log: a record may well come twice: each is an entry of a log.
        grows: the server takes any ``limit``, so that pages may grow where the caller names no size.
        by_links: there is another page where ``links.next`` is there; its cursor is the last record's key.
    """

    items: str = ""
    next: str = "next_token"
    total: str | None = "total"
    cursor: str = "from"
    key: str = ""
    log: bool = False
    grows: bool = False
    by_links: bool = False
