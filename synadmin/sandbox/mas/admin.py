"""The admin API: authorization, pages, and answers with one resource."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from synadmin.sandbox.mas.jobs import Worker
from synadmin.sandbox.mas.names import is_id, kind_of, moment
from synadmin.sandbox.mas.store import MAS_ADMIN, PERSONAL, MasStore, Record, has_ended, is_scope
from synadmin.sandbox.mas.synapse import Provisioner
from synadmin.sandbox.mas.web import Refused, Reply, Request, not_here, refused

BASE = "/api/admin/v1"
_PAGE = 10  # items, by default
# The folder of each kind of resource under BASE.
FOLDERS = {
    "user": "users",
    "user-email": "user-emails",
    "user-session": "user-sessions",
    "compat-session": "compat-sessions",
    "oauth2-session": "oauth2-sessions",
    "oauth2-client": "oauth2-clients",
    "personal-session": "personal-sessions",
    "user-registration_token": "user-registration-tokens",
    "upstream-oauth-link": "upstream-oauth-links",
    "upstream-oauth-provider": "upstream-oauth-providers",
    "policy-data": "policy-data",
}

Fits: TypeAlias = Callable[[Record], bool]
Filter: TypeAlias = Callable[["Call", list[str]], Fits]
Handler: TypeAlias = "Callable[[Call], Reply]"


@dataclass(frozen=True, slots=True)
class AdminOperation:
    """An operation.

    Attributes:
        template: the path under ``/api/admin/v1``, with ``{id}`` or ``{username}``.
        since: the first version of MAS that has it.
    """

    method: str
    template: str
    since: tuple[int, int]
    handler: Handler

    def match(self, path: str) -> str | None:
        """Return the path's parameter, empty where it has none; None where the path does not match."""
        pattern = re.sub(r"\{\w+\}", "([^/]+)", self.template)
        match = re.fullmatch(re.escape(BASE) + pattern, path)
        return None if match is None else unquote("".join(match.groups()))


ROUTES: list[AdminOperation] = []


def route(method: str, template: str, *, since: tuple[int, int]) -> Callable[[Handler], Handler]:
    """Make a function the handler of an operation."""

    def register(handler: Handler) -> Handler:
        ROUTES.append(AdminOperation(method, template, since, handler))
        return handler

    return register


def lists(template: str, kind: str, filters: Mapping[str, Filter], *, since: tuple[int, int]) -> None:
    """Declare the operation that lists the records of a kind."""
    route("GET", template, since=since)(lambda call: page(call, kind, filters))


def returns_one(template: str, kind: str, title: str, *, since: tuple[int, int]) -> None:
    """Declare the operation that returns the record that the path names; the title is for a 404."""
    route("GET", template, since=since)(lambda call: single(call.find(kind, title)))


@dataclass(frozen=True, slots=True)
class StandInService:
    """The parts of the stand-in that operations use."""

    store: MasStore
    synapse: Provisioner
    worker: Worker
    server_name: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Call:
    """An authorized request to the admin API.

    Attributes:
        parameter: the path's id or username; empty where there is none.
        session: the caller's session.
    """

    service: StandInService
    request: Request
    parameter: str
    session: Record

    @property
    def store(self) -> MasStore:
        """The records."""
        return self.service.store

    def find(self, kind: str, title: str) -> Record:
        """Return the record that the path names.

        Raises:
            Refused: there is no such record, or the id is not a ULID.
        """
        if not is_id(self.parameter):
            raise refused(400, "Invalid ULID in path", "invalid length")
        return self.known(kind, self.parameter, title)

    def known(self, kind: str, record_id: str, title: str) -> Record:
        """Return the record with this id.

        Raises:
            Refused: 404, with this title; ``{}`` in it is the id.
        """
        record = self.store.table(kind).get(record_id.upper())
        if record is None:
            raise refused(404, title.format(record_id))
        return record

    def owner(self) -> Record:
        """Return the owner of the personal sessions that this caller makes: a user or a client."""
        session = self.session
        if session["_kind"] == PERSONAL:
            return {"owner_user_id": session["actor_user_id"], "owner_client_id": None}
        client_id = None if session["user_id"] else session["client_id"]
        return {"owner_user_id": session["user_id"], "owner_client_id": client_id}


def answer(service: StandInService, request: Request) -> Reply:
    """Answer a request to a path under ``/api/``. The caller holds the store's lock."""
    knobs = service.store.knobs
    matching = [
        (route, parameter)
        for route in ROUTES
        if knobs.adminapi
        and knobs.is_at_least(route.since)
        and (parameter := route.match(request.path)) is not None
    ]
    if not matching:
        return not_here()
    for route, parameter in matching:
        # In the list, `latest` and `by-username` are before `{id}`.
        if route.method == request.method:
            try:
                return route.handler(Call(service, request, parameter, _caller(service.store, request)))
            except Refused as error:
                return error.reply
    return Reply(405, text="")


def _caller(store: MasStore, request: Request) -> Record:
    """Return the session of a caller who may use the admin API."""
    if not request.headers.get("Authorization"):
        raise refused(400, "Missing authorization header")
    if request.bearer is None:
        raise refused(400, "Invalid authorization header")
    kind = kind_of(request.bearer)
    if kind not in {"mat", "mpt"}:
        raise refused(401, "Invalid type of access token")
    token = store.table("token").get(request.bearer)
    if token is None or token["_revoked"]:
        raise refused(401, "Unknown access token")
    session = store.session_of(token)
    if has_ended(session):
        raise refused(401, "Access token revoked")
    if not store.is_live(token):
        raise refused(401, "Access token expired")
    token["_used"] = True
    if kind == "mpt":
        # The user that the session acts as may be locked; the owner of the session may not.
        valid = store.is_valid(session["owner_user_id"])
        valid = valid and not store.table("user")[session["actor_user_id"]]["deactivated_at"]
    else:
        valid = store.is_valid(session["user_id"])
    if not valid:
        raise refused(401, "User locked")
    if MAS_ADMIN not in session["scope"].split():
        raise refused(401, "Missing urn:mas:admin scope")
    return session


def single(record: Record, *, status: int = 200, action: str = "", **more: Any) -> Reply:  # noqa: ANN401
    """Return the answer with one resource.

    Args:
        record: the resource.
        status: the HTTP status.
        action: the last part of the operation's path, which its link names.
        more: attributes that only this answer has.
    """
    resource = _resource(record, more)
    itself = resource["links"]["self"] + (f"/{action}" if action else "")
    return Reply(status, {"data": resource, "links": {"self": itself}})


def page(call: Call, kind: str, filters: Mapping[str, Filter]) -> Reply:
    """Return a page of the resources of a kind that match the filters."""
    query = call.request.query
    first, last = _number(query, "page[first]"), _number(query, "page[last]")
    if first and last:
        raise refused(400, "Cannot specify both `page[first]` and `page[last]` parameters")
    count = query.get("count", ["true"])[-1]
    if count not in {"true", "false", "only"}:
        raise refused(400, "Invalid pagination parameters")
    chosen = [filters[name](call, query[f"filter[{name}]"]) for name in filters if f"filter[{name}]" in query]
    every = [record for record in call.store.table(kind).values() if all(fits(record) for fits in chosen)]
    base = f"{BASE}/{FOLDERS[kind]}"
    kept = [f"filter[{name}]={value}" for name in filters for value in query.get(f"filter[{name}]", [])]
    kept += [f"count={count}"] if count != "true" else []
    body: dict[str, Any] = {} if count == "false" else {"meta": {"count": len(every)}}
    if count == "only":
        return Reply(200, body | {"links": {"self": "?".join([base, *(["&".join(kept)] if kept else [])])}})
    after, before = _cursor(query, "page[after]"), _cursor(query, "page[before]")
    between = [record for record in every if after < record["_id"] and (not before or record["_id"] < before)]
    size = last or first or _PAGE
    shown = between[-size:] if last else between[:size]
    cut = len(shown) < len(between)

    def link(**position: str | int) -> str:
        asked = [f"page[{name}]={value}" for name, value in position.items() if value]
        return f"{base}?{'&'.join([*kept, *asked])}"

    which = "last" if last else "first"
    links = {
        "self": link(before=before, after=after, **{which: size}),
        "first": link(first=size),
        "last": link(last=size),
    }
    if cut and not last:
        links["next"] = link(after=shown[-1]["_id"], first=size)
    if cut and last:
        links["prev"] = link(before=shown[0]["_id"], last=size)
    data = [_resource(record) | {"meta": {"page": {"cursor": record["_id"]}}} for record in shown]
    return Reply(200, body | {"data": data, "links": links})


def _resource(record: Record, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    attributes = {name: value for name, value in record.items() if not name.startswith("_")}
    path = f"{BASE}/{FOLDERS[record['_kind']]}/{record['_id']}"
    return {
        "type": record["_kind"],
        "id": record["_id"],
        "attributes": attributes | dict(more or {}),
        "links": {"self": path},
    }


def _number(query: Mapping[str, list[str]], name: str) -> int | None:
    if name not in query:
        return None
    value = query[name][-1]
    if not value.isdecimal() or not int(value):
        raise refused(400, "Invalid pagination parameters")
    return int(value)


def _cursor(query: Mapping[str, list[str]], name: str) -> str:
    value = query.get(name, [""])[-1]
    if value and not is_id(value):
        raise refused(400, "Invalid pagination parameters")
    return value.upper()


# Filters that several kinds of resources have


def is_flag(field: Fits) -> Filter:
    """Return a filter with the values true and false."""

    def choose(_: Call, values: list[str]) -> Fits:
        if values[-1] not in {"true", "false"}:
            raise _invalid()
        wanted = values[-1] == "true"
        return lambda record: bool(field(record)) == wanted

    return choose


def refers(field: str, kind: str, title: str) -> Filter:
    """Return a filter by other records, which must exist: the field has the id of one of them."""

    def choose(call: Call, values: list[str]) -> Fits:
        if not all(is_id(value) for value in values):
            raise _invalid()
        ids = {call.known(kind, value, title)["_id"] for value in values}
        return lambda record: record[field] in ids

    return choose


def has_status(**states: Fits) -> Filter:
    """Return a filter by status."""

    def choose(_: Call, values: list[str]) -> Fits:
        if values[-1] not in states:
            raise _invalid()
        return states[values[-1]]

    return choose


def has_time(field: str, *, before: bool) -> Filter:
    """Return a filter by a time before or after the given one."""

    def choose(_: Call, values: list[str]) -> Fits:
        try:
            limit = moment(values[-1])
        except ValueError:
            raise _invalid() from None

        def fits(record: Record) -> bool:
            value = record[field]
            return value is not None and (moment(value) < limit if before else moment(value) > limit)

        return fits

    return choose


def is_text(field: str) -> Filter:
    """Return a filter by the whole text of a field."""
    return lambda _, values: lambda record: bool(record[field] == values[-1])


def has_text(field: str) -> Filter:
    """Return a filter by a part of a field's text, in any case."""
    return lambda _, values: lambda record: values[-1].lower() in (record[field] or "").lower()


def has_scope(_: Call, values: list[str]) -> Fits:
    """Return a filter for the sessions with all given scope tokens."""
    for value in values:
        if not is_scope(value):
            raise refused(400, f"Invalid scope {json.dumps(value)} in filter parameters")
    return lambda record: set(values) <= set(record["scope"].split())


def _invalid() -> Refused:
    return refused(400, "Invalid filter parameters")
