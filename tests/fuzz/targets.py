"""The targets: each makes an input from a random generator, and passes it to a part of synadmin.

A target raises :class:`SynadminError`, or the documented error of its function, if the input is refused.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import random
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import inspect

from synadmin import api, ids, mas
from synadmin.audit import baseline, config
from synadmin.cli import input_files, parameters
from synadmin.columns import Column
from synadmin.control import file as control_file
from synadmin.control import settings as control_settings
from synadmin.delegation import names
from synadmin.http import reader
from synadmin.http.answers import decoded, error_of
from synadmin.http.connection import Connection
from synadmin.http.endpoint import Endpoint
from synadmin.http.fast_wire import FastWire
from synadmin.http.transport import Transport
from synadmin.http.wire import RequestsWire
from synadmin.journal.old_format import OldJournal
from synadmin.power.levels import PowerLevels, RoomVersion
from synadmin.settings import checked_token, first_line
from synadmin.tables import as_text
from synadmin.text import UNSAFE, safe_text, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Rng = random.Random
PIECES = [
    *"@!#$:/.%=+-'\"\\,;\t\n\r \x00\x1b\x9b\u202e\u200d\ufeff\ud800é漢👨",
    *("alice", "example.org", "[::1]", "8448", "%2F", "..", "{", "}", "[", "]", "null", "true", "1e999", "0"),
    *(
        "99999999999999999999",
        "-1",
        "user_id",
        "room_id",
        "users",
        "room_version",
        "mxc://",
        "=1+1",
        "30d",
        "GB",
    ),
]
IDS = [
    "@alice:example.org",
    "!abc:example.org",
    "#club:example.org",
    "$event",
    "mxc://example.org/abc",
    "a.b:8448",
]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
TOML = '[audit]\nskip = ["departed-power"]\n[audit.rules.single-controller]\nlocal_members = 5\n'
CONTROL = (
    'version = 1\n[teams]\nboard = ["@a:b.c"]\n[[rooms]]\nname = "x"\nmatch = { alias = "#c-*:b.c" }\n'
    'admins = ["board"]\nmoderators = { level = 50, users = ["@d:b.c"] }\nallow = "impersonate"\n'
    '[rooms.settings]\nserver_acl = { deny = ["x"] }\n[rooms.heirs]\nusers = ["board"]\nafter = "1d"\n'
)
CSV = "user_id,displayname\n@alice:example.org,Alice\n"
OLD_JOURNAL = '{"id":"r-1","run":"r","server":"http://x","method":"PUT","path":"/p","restoring":{"method":"PUT","path":"/q"}}\n'
BASELINE = '{"version":1,"server_name":"example.org","findings":[]}'


def text(rng: Rng, *valid: str) -> str:
    """Return a valid text with a few random changes, or random pieces."""
    if not valid or rng.random() < 0.2:
        return "".join(rng.choices(PIECES, k=rng.randrange(12)))
    value = rng.choice(valid)
    for _ in range(rng.randrange(4)):
        position = rng.randrange(len(value) + 1)
        value = value[:position] + rng.choice(PIECES) + value[position + rng.randrange(3) :]
    return value


def mutated(rng: Rng, *valid: bytes) -> bytes:
    """Return valid bytes with a few random changes, cuts or repetitions."""
    value = bytearray(rng.choice(valid))
    for _ in range(rng.randrange(5)):
        position = rng.randrange(len(value) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            value[position : position + 1] = rng.randbytes(1)
        elif kind == 1:
            del value[position : position + rng.randrange(1, 12)]
        elif kind == 2:
            value[position:position] = rng.choice(
                [b"9" * 20, b"\r\n", b"\0", b"-", b"{", b"\xff", b"7fffffffffffffff", b": "]
            )
        else:
            value[position:position] = value[: rng.randrange(len(value) + 1)]
    return bytes(value[:4096])


def any_json(rng: Rng, fields: tuple[str, ...] = (), depth: int = 0) -> Any:  # noqa: ANN401  any JSON
    """Return any JSON value; objects use these field names."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind < 6:
        return [None, True, rng.choice([0, -1, 2**63, 2**64, 10**25, 1e300]), "", text(rng, *IDS), 100][kind]
    if kind == 6:
        return [any_json(rng, fields, depth + 1) for _ in range(rng.randrange(3))]
    chosen = rng.sample(fields, k=min(len(fields), rng.randrange(6)))
    return {name: any_json(rng, fields, depth + 1) for name in [*chosen, text(rng)][: rng.randrange(1, 7)]}


def json_of_type(rng: Rng, kind: inspect.Type, depth: int = 0) -> Any:  # noqa: ANN401  any JSON
    """Return JSON of a type of records; sometimes a part is any JSON value."""
    if rng.random() < 0.03:
        return any_json(rng)
    deeper = partial(json_of_type, rng, depth=depth + 1)
    count = 0 if depth > 4 else rng.randrange(4)
    match kind:
        case inspect.StructType(fields=fields):
            chosen = [field for field in fields if field.required or rng.random() < 0.7]
            return {field.encode_name: deeper(field.type) for field in chosen}
        case inspect.UnionType(types=types):
            return deeper(rng.choice(types))
        case inspect.DictType(key_type=key, value_type=value):
            return {str(deeper(key)): deeper(value) for _ in range(count)}
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return [deeper(item) for _ in range(count)]
    return _leaf(rng, kind)


def _leaf(rng: Rng, kind: inspect.Type) -> Any:  # noqa: ANN401  any JSON
    match kind:
        case inspect.StrType():
            return text(rng, *IDS, "2026-11-27T10:00:00Z", "invite", "A name")
        case inspect.LiteralType(values=values):
            return rng.choice(values)
        case inspect.NoneType():
            return None
    numbers: dict[type, list[float]] = {
        inspect.IntType: [0, 1, 50, 100, -1, 1764288000000, 2**53, 2**64],
        inspect.FloatType: [0, 0.5, 1e300, 1764288000.5],
        inspect.BoolType: [False, True],
    }
    return rng.choice(numbers[type(kind)]) if type(kind) in numbers else any_json(rng)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def parse_ids(rng: Rng) -> None:
    """Parse ids, server names and names for delegation."""
    user, room, alias, event, media, server = IDS
    parsers: list[tuple[Callable[[str], object], str]] = [
        (ids.parse_user_id, user),
        (ids.parse_room, room),
        (ids.parse_alias, alias),
        (ids.parse_event_id, event),
        (ids.parse_server_name, server),
        (ids.parse_media_id, media),
        (names.parse_name, server),
        (lambda name: ids.parse_local_user_id(name, home="example.org"), user),
        (lambda name: names.parse_address(name, port=8448), server),
        (lambda name: checked_token(name, "token"), "syt_YWxpY2U_abc"),
        (lambda name: first_line(name, "input"), "a password"),
    ]
    parser, valid = rng.choice(parsers)
    parser(text(rng, *([valid] if rng.random() < 0.8 else IDS)))


def parse_options(rng: Rng) -> None:
    """Parse sizes, levels and times as click does."""
    kind, valid = rng.choice(
        [
            (parameters.SIZE, ("10MB", "1.5GiB", "4096")),
            (parameters.LEVEL, ("100", "-1", "9007199254740991")),
            (parameters.DURATION, ("30d", "90s", "1h30m")),
            (parameters.PAST_TIME, ("2025-11-27", "2025-11-27T10:00:00Z", "30d")),
        ]
    )
    kind.convert(text(rng, *valid), None, None)


def read_lists(rng: Rng, folder: Path) -> None:
    """Read the lists that ``--from`` takes."""
    path = folder / "list"
    path.write_bytes(text(rng, CSV, '{"user_id":"@a:b"}\n', "@a:b\n# x\n").encode("utf-8", "surrogatepass"))
    if rng.random() < 0.5:
        input_files.read_rows(str(path), ["name", "password"], raw=["password"])
    else:
        input_files.read_targets(
            (), str(path), rng.choice([input_files.USERS, input_files.ROOMS, input_files.MEDIA])
        )


def read_audit_files(rng: Rng, folder: Path) -> None:
    """Read the configuration and the baseline of an audit."""
    if rng.random() < 0.5:
        config.parse(text(rng, TOML))
        return
    path = folder / "baseline"
    path.write_bytes(
        mutated(rng, BASELINE.encode(), _json(any_json(rng, ("version", "findings", "history"))))
    )
    baseline.read(path, may_be_missing=True)


def read_control(rng: Rng) -> None:
    """Parse a control file, or export a setting from the content of a state event."""
    if rng.random() < 0.5:
        control_file.parse(text(rng, CONTROL))
        return
    name = rng.choice([*control_settings.EVENT_TYPES])
    content = any_json(rng, ("join_rule", "allow", "deny", "max_lifetime", "algorithm", "restricted"))
    if isinstance(content, dict):
        control_settings.as_written(name, content)


def read_old_journal(rng: Rng, folder: Path) -> None:
    """Read a journal of text lines."""
    path = folder / "journal.jsonl"
    path.write_bytes(
        mutated(rng, OLD_JOURNAL.encode()) + _json(any_json(rng, ("id", "run", "restoring", "restores")))
    )
    for _ in OldJournal(path):
        pass


def read_levels(rng: Rng) -> None:
    """Read power levels of any shape."""
    fields = ("users", "events", "users_default", "state_default", "ban", "invite", "@alice:example.org")
    content = any_json(rng, fields)
    users = (ids.UserId("@alice:example.org"),)
    levels = PowerLevels(
        content if isinstance(content, dict) else None, RoomVersion.of(text(rng, "11", "12")), users
    )
    levels.level_of(users[0])
    levels.needed("m.room.power_levels")
    list(levels.listed())


def show(rng: Rng) -> None:
    """Format text from servers: the result has no control characters for a terminal."""
    value = "".join(rng.choices(PIECES, k=rng.randrange(30)))
    shown = wrap(safe_text(value), rng.randrange(1, 60), longest_word=rng.choice([None, 5, 60]))
    table = as_text(
        [{"id": "!a", "name": value}],
        [Column("id", whole=True), Column("name")],
        width=rng.choice([None, 20, 80]),
    )
    rest = UNSAFE.sub(lambda match: "" if match.group() in "\n\u200d" else "X", shown + table)
    assert "X" not in rest or "X" in value, ascii(value)


ENDPOINTS: list[tuple[Endpoint[Any], Any]] = [
    (value, inspect.type_info(value.reply))
    for package in (api, mas)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    for value in vars(importlib.import_module(module.name)).values()
    if isinstance(value, Endpoint)
]


def decode_answers(rng: Rng) -> None:
    """Decode answers and errors of every operation."""
    endpoint, kind = rng.choice(ENDPOINTS)
    raw = _json(json_of_type(rng, kind))
    if rng.random() < 0.2:
        error = b'{"errcode":"M_UNKNOWN","error":"x","retry_after_ms":5,"errors":[{"title":"x"}]}'
        raw = mutated(rng, raw, error)
    if rng.random() < 0.3:
        raise error_of(reader.Answer(rng.choice([301, 400, 401, 403, 404, 429, 500, 502]), {}, raw), endpoint)
    record = decoded(endpoint, raw)
    as_text(
        [{"id": "!a", "name": safe_text(str(record))}], [Column("id", whole=True), Column("name")], width=80
    )


def read_http(rng: Rng) -> None:
    """Read HTTP, in parts of any size."""
    raw = mutated(rng, ANSWER, CHUNKED)
    size = rng.randrange(1, 64)
    parts: Iterator[bytes] = iter([raw[start : start + size] for start in range(0, len(raw), size)])
    with contextlib.suppress(reader.UnreadableError):
        reader.read(lambda: next(parts, b""), most=10_000)


class Server:
    """A server on loopback that sends ``answer`` to each connection, and closes it."""

    def __init__(self) -> None:
        self.answer = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        connection = Connection(f"http://127.0.0.1:{self._socket.getsockname()[1]}", timeout=5)
        self._transports = [
            Transport(connection, wire) for wire in (RequestsWire(connection), FastWire(connection))
        ]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._socket.accept()[0] as client, contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(self.answer)

    def ask(self, rng: Rng) -> None:
        """Send a request that is never retried, over one of the two wires."""
        self.answer = mutated(rng, ANSWER, CHUNKED)
        rng.choice(self._transports).send(Endpoint("POST", "/_synapse/admin/v1/x", dict), body={})


def targets(folder: Path) -> Mapping[str, tuple[int, Callable[[Rng], None]]]:
    """Return the targets by name, each with its share of the inputs in percent."""
    return {
        "ids": (15, parse_ids),
        "options": (10, parse_options),
        "lists": (8, lambda rng: read_lists(rng, folder)),
        "control file": (5, read_control),
        "audit files": (5, lambda rng: read_audit_files(rng, folder)),
        "old journals": (5, lambda rng: read_old_journal(rng, folder)),
        "power levels": (12, read_levels),
        "shown text": (4, show),
        "answers": (22, decode_answers),
        "HTTP": (13, read_http),
        "sockets": (1, Server().ask),
    }
