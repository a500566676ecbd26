"""The shapes of MAS's admin API, and whether an exchange has them.

MAS's own OpenAPI document is not part of this repository: its text is under the AGPL. Where it is at hand,
every exchange is validated against it: the file that ``SYNADMIN_TEST_MAS_OPENAPI`` names, else
``../shared/mas-openapi.json``. ``operations.json`` has the same shapes in a notation of its own, permits no
surplus fields, and is there everywhere. A test compares the two. Neither has what MAS serves outside of
``/api/admin/v1``: discovery, OAuth, introspection, and what Matrix clients ask for.
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

# What the document leaves out, as (operation, status): MAS 1.22.0 answers so, and so does the stand-in.
# `*` is every operation.
LEFT_OUT: dict[str, dict[int, str]] = {
    "*": {
        400: "no authorization header; an id that is no ULID; bad paging, filters or JSON",
        401: "no valid token, a locked or deactivated owner, or no urn:mas:admin in the token's scope",
        415: "a body that is not said to be JSON",
        422: "JSON of the wrong shape",
        500: "Synapse did not do what MAS asked for",
    },
    "POST /personal-sessions": {410: "the actor is deactivated"},
    "POST /personal-sessions/{id}/regenerate": {403: "the caller does not own the session"},
    "POST /user-registration-tokens": {409: "there is such a token"},
}
# Answers of the framework, which are no JSON.
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
def described() -> dict[str, Any]:
    """Return our own description."""
    description: dict[str, Any] = json.loads((_HERE / "operations.json").read_text("utf-8"))
    return description


@cache
def document() -> dict[str, Any] | None:
    """Return MAS's own document, if it is at hand."""
    path = Path(_DOCUMENT)
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def operation_of(method: str, path: str) -> str | None:
    """Return the operation that a request is for: ``GET /users/{id}``."""
    exact = f"{method} {path.removeprefix(BASE)}"
    if exact in described()["operations"]:
        return exact
    for operation in described()["operations"]:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation), exact):
            return str(operation)
    return None


def violations(request: Request, reply: Reply) -> Iterator[str]:
    """Yield what of an exchange does not fit the description, or the document."""
    operation = operation_of(request.method, request.path)
    if operation is None:
        yield f"{request.method} {request.path}: no such operation"
        return
    if reply.status == 404 and reply.json is None:
        return  # not served here: the page that MAS answers with for any path
    for text in (*_of_request(operation, request), *_of_reply(operation, reply)):
        yield f"{operation} {reply.status}: {text}"


def _of_request(operation: str, request: Request) -> Iterator[str]:
    facts = described()["operations"][operation]
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
        yield from _errors(_object(facts["body"]), body)
        yield from _of_document(operation, "requestBody", body)


def _of_reply(operation: str, reply: Reply) -> Iterator[str]:
    answers = described()["operations"][operation]["answers"]
    left_out = LEFT_OUT["*"] | LEFT_OUT.get(operation, {})
    if str(reply.status) in answers:
        shape = answers[str(reply.status)]
        if shape is None:
            if reply.json is not None or reply.text:
                yield "it has a body, and none is described"
        elif not (reply.json is None and reply.status in _PLAIN):
            yield from _errors(_answer(operation, shape), reply.json)
            yield from _of_document(operation, str(reply.status), reply.json)
    elif reply.status not in left_out and reply.status not in _PLAIN:
        yield "the status is neither described nor named as left out"
    elif reply.json is not None:
        yield from _errors(_answer(operation, "errors"), reply.json)


def _of_document(operation: str, part: str, value: object) -> Iterator[str]:
    whole = document()
    if whole is None:
        return
    method, _, path = operation.partition(" ")
    described_there = whole["paths"][BASE + path][method.lower()]
    content = described_there["requestBody"] if part == "requestBody" else described_there["responses"][part]
    schema = content["content"]["application/json"]["schema"]
    yield from _errors({**schema, "components": whole["components"]}, value)


def _errors(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    for error in Draft202012Validator(schema).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


# From the notation to JSON schema


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


def _object(
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


def _answer(operation: str, shape: str) -> dict[str, Any]:
    resources = described()["resources"]
    itself = _object({"self": "text"})
    if shape == "errors":
        title = {"type": "array", "minItems": 1, "items": _object({"title": "text"})}
        return _object({"errors": title})
    if not shape.startswith("page "):
        if operation in {"GET /site-config", "GET /version"}:
            return _object(resources[shape])
        return _object({"data": _resource(shape), "links": itself})
    links = _object(dict.fromkeys(("self", "first", "last", "next", "prev"), "text"))
    links["required"] = ["self"]
    data = {"type": "array", "items": _resource(shape.removeprefix("page "), in_page=True)}
    meta = _object({"count": "count"})
    return _object({"meta": meta, "data": data, "links": links}, optional=("meta", "data"))


def _resource(kind: str, *, in_page: bool = False) -> dict[str, Any]:
    # MAS writes null where there is nothing: every attribute is there but the token, which is shown once.
    attributes = _object(described()["resources"][kind])
    attributes["required"] = [name for name in attributes["properties"] if name != "access_token"]
    fields: dict[str, Any] = {"type": {"const": kind}, "id": "id", "attributes": attributes}
    fields["links"] = _object({"self": "text"})
    if in_page:
        fields["meta"] = _object({"page": _object({"cursor": "text"})})
    return _object(fields)
