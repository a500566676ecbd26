"""Validation of requests to the admin API of MAS and of their answers.

``operations.json`` describes all operations in a short notation. Fields that it does not name are violations.
The OpenAPI document of MAS is not part of this repository: its text is under the AGPL. Where the document is
available, each request and answer is validated against it, too. ``SYNADMIN_TEST_MAS_OPENAPI`` names its file;
the default is ``../shared/mas-openapi.json``. A test compares the two descriptions. Both describe only
``/api/admin/v1``: without discovery, OAuth, introspection and the client-server API.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from synadmin.sandbox.mas.web import Reply, Request

BASE = "/api/admin/v1"
_HERE = Path(__file__).parent
_DOCUMENT = os.environ.get("SYNADMIN_TEST_MAS_OPENAPI", _HERE.parents[3] / "shared" / "mas-openapi.json")

# Answers of MAS 1.22.0 and of the stand-in that the document does not have, by operation and status.
# `*` is every operation.
UNDOCUMENTED: dict[str, dict[int, str]] = {
    "*": {
        400: "no authorization header; an id that is no ULID; bad paging, filters or JSON",
        401: "no valid token, a locked or deactivated owner, or no urn:mas:admin in the token's scope",
        415: "a body that is not said to be JSON",
        422: "JSON of the wrong shape",
        500: "Synapse did not do what MAS asked for",
    },
    "POST /personal-sessions": {410: "the actor is deactivated"},
    "POST /personal-sessions/{id}/regenerate": {403: "the caller does not own the session"},
    "POST /user-registration-tokens": {409: "the token exists already"},
}
# The web framework of MAS answers these statuses without JSON.
_PLAIN = {400, 405, 415, 422}

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
_SCHEMAS: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"},
    "device": {"type": "string", "pattern": r"^[A-Za-z0-9._~!$&'()*+,;=:&/-]+$"},
    "text": {"type": "string"},
    "uri": {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:"},
    "email": {"type": "string", "pattern": "^[^@]+@[^@]+$"},
    "time": {"type": "string", "pattern": _TIME},
    "flag": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 0},
    "any": {},
}
PAGING = {"page[before]": "id", "page[after]": "id", "page[first]": "count", "page[last]": "count"}
PAGING["count"] = "true|false|only"


@cache
def description() -> dict[str, Any]:
    """Return the content of ``operations.json``."""
    operations: dict[str, Any] = json.loads((_HERE / "operations.json").read_text("utf-8"))
    return operations


@cache
def openapi_document() -> dict[str, Any] | None:
    """Return the OpenAPI document of MAS, or None if it is not available."""
    path = Path(_DOCUMENT)
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def operation_of(method: str, path: str) -> str | None:
    """Return the operation of a request, such as ``GET /users/{id}``."""
    exact = f"{method} {path.removeprefix(BASE)}"
    if exact in description()["operations"]:
        return exact
    for operation in description()["operations"]:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation), exact):
            return str(operation)
    return None


def violations(request: Request, reply: Reply) -> Iterator[str]:
    """Yield each difference of a request and its answer from the description or the document."""
    operation = operation_of(request.method, request.path)
    if operation is None:
        yield f"{request.method} {request.path}: no such operation"
        return
    if reply.status == 404 and reply.json is None:
        return  # MAS does not serve the admin API here: it answers with a page
    for text in (*_request_errors(operation, request), *_reply_errors(operation, reply)):
        yield f"{operation} {reply.status}: {text}"


def _request_errors(operation: str, request: Request) -> Iterator[str]:
    facts = description()["operations"][operation]
    known = dict(facts.get("query", {}))
    if facts.get("paged"):
        known |= PAGING
    for name, values in request.query.items():
        kind = known.get(name)
        if kind is None:
            yield f"the query has {name}, which is not described"
        elif not kind.startswith("[") and len(values) > 1:
            yield f"the query has {name} more than once"
    try:
        body = json.loads(request.body) if request.body else None
    except ValueError:
        yield "the request's body is no JSON"
        return
    if "body" not in facts:
        if body not in (None, {}):
            yield "the request has a body, and none is described"
    elif body is not None or not facts.get("body_optional"):
        yield from _errors(_object_schema(facts["body"]), body)
        yield from _document_errors(operation, "requestBody", body)


def _reply_errors(operation: str, reply: Reply) -> Iterator[str]:
    answers = description()["operations"][operation]["answers"]
    undocumented = UNDOCUMENTED["*"] | UNDOCUMENTED.get(operation, {})
    if str(reply.status) in answers:
        shape = answers[str(reply.status)]
        if shape is None:
            if reply.json is not None or reply.text:
                yield "it has a body, and none is described"
        elif not (reply.json is None and reply.status in _PLAIN):
            yield from _errors(_answer_schema(operation, shape), reply.json)
            yield from _document_errors(operation, str(reply.status), reply.json)
    elif reply.status not in undocumented and reply.status not in _PLAIN:
        yield "the status is neither described nor known as undocumented"
    elif reply.json is not None:
        yield from _errors(_answer_schema(operation, "errors"), reply.json)


def _document_errors(operation: str, part: str, value: object) -> Iterator[str]:
    openapi = openapi_document()
    if openapi is None:
        return
    method, _, path = operation.partition(" ")
    documented = openapi["paths"][BASE + path][method.lower()]
    content = documented["requestBody"] if part == "requestBody" else documented["responses"][part]
    schema = content["content"]["application/json"]["schema"]
    yield from _errors({**schema, "components": openapi["components"]}, value)


def _errors(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    for error in Draft202012Validator(schema).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


# JSON schemas of the short notation


def schema_of(kind: str) -> dict[str, Any]:
    """Return the schema of a value: ``time``, ``text?`` (or null), ``[id]``, ``active|locked``, ``0..4``."""
    if kind.endswith("?"):
        return {"anyOf": [schema_of(kind[:-1]), {"type": "null"}]}
    if kind.startswith("["):
        return {"type": "array", "items": schema_of(kind[1:-1])}
    if "|" in kind:
        return {"enum": kind.split("|")}
    if ".." in kind:
        low, high = map(int, kind.split(".."))
        return {"type": "integer", "minimum": low, "maximum": high}
    return _SCHEMAS[kind]


def _object_schema(
    fields: Mapping[str, str | Mapping[str, Any]], *, optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    required = [
        name
        for name, kind in fields.items()
        if name not in optional and not (isinstance(kind, str) and kind.endswith("?"))
    ]
    return {
        "type": "object",
        "properties": {
            name: schema_of(kind) if isinstance(kind, str) else kind for name, kind in fields.items()
        },
        "required": required,
        "additionalProperties": False,
    }


def _answer_schema(operation: str, shape: str) -> dict[str, Any]:
    resources = description()["resources"]
    self_link = _object_schema({"self": "text"})
    if shape == "errors":
        title = {"type": "array", "minItems": 1, "items": _object_schema({"title": "text"})}
        return _object_schema({"errors": title})
    if not shape.startswith("page "):
        if operation in {"GET /site-config", "GET /version"}:
            return _object_schema(resources[shape])
        return _object_schema({"data": _resource_schema(shape), "links": self_link})
    links = _object_schema(dict.fromkeys(("self", "first", "last", "next", "prev"), "text"))
    links["required"] = ["self"]
    data = {"type": "array", "items": _resource_schema(shape.removeprefix("page "), in_page=True)}
    meta = _object_schema({"count": "count"})
    return _object_schema({"meta": meta, "data": data, "links": links}, optional=("meta", "data"))


def _resource_schema(kind: str, *, in_page: bool = False) -> dict[str, Any]:
    # MAS sends null for a missing value, so each attribute is required. Only a new session has its token.
    attributes = _object_schema(description()["resources"][kind])
    attributes["required"] = [name for name in attributes["properties"] if name != "access_token"]
    fields: dict[str, Any] = {"type": {"const": kind}, "id": "id", "attributes": attributes}
    fields["links"] = _object_schema({"self": "text"})
    if in_page:
        fields["meta"] = _object_schema({"page": _object_schema({"cursor": "text"})})
    return _object_schema(fields)
