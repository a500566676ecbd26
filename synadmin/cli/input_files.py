"""Read the lists of ``--from FILE|-``: lines, CSV with a heading, or NDJSON.

An error names the file and the line, but not the text: a line may contain a password.
"""

import io
import os.path
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from synadmin.errors import UsageError
from synadmin.ids import parse_media_id, parse_room, parse_server_name, parse_user_id

_LARGEST = 64 * 1024 * 1024  # bytes: an endless file (/dev/zero) ends in an error
_SEPARATORS = ",;\t"
_COMMENT = r"#(\s|\Z)"
_TRAILING_COMMENT = r"(?s)\s+#(\s.*)?\Z"
# The apostrophe with which `-o csv` prevents that a spreadsheet takes a cell as a formula.
_GUARDED = r"\A'(?=[=+\-@\t\r])"
_MAY_HOLD_SEPARATORS = ("@", "!", "#")  # user ids of old servers, room ids and aliases

QUOTE_ROOMS = (
    "put rooms in single quotes, '#club:example.org' or '!abc:example.org': "
    "else the shell takes # as a comment, and ! as an earlier command"
)


class InputKind(NamedTuple):
    """A kind of ids in an input file, and the column titles for it.

    Attributes:
        noun: its name in errors.
        groups: headings of the id; of each group, the first heading in the list is used.
        rivals: headings of other columns that hold ids of this kind.
        check: raises :class:`UsageError` where a text is not such an id.
        foreign: by a heading, other headings that rule it out: a list with them is of another kind.
        server: headings of the server name that completes the id.
    """

    noun: str
    groups: tuple[tuple[str, ...], ...]
    check: Callable[[str], object]
    rivals: frozenset[str] = frozenset()
    foreign: Mapping[str, frozenset[str]] | None = None
    server: tuple[str, ...] = ()

    @property
    def headings(self) -> frozenset[str]:
        """Return all headings that may have ids of this kind."""
        return self.rivals.union(*self.groups)

    def ruled_out(self, heading: str, headings: Collection[str]) -> bool:
        """Return whether the other headings of the list show that a heading has no such ids."""
        return bool((self.foreign or {}).get(heading, frozenset()) & set(headings))


_user = partial(parse_user_id, home="localhost")
_media = partial(parse_media_id, home="localhost")


def _room_or_user(text: str) -> object:
    return parse_room(text) if text.startswith(("!", "#")) else _user(text)


def _word(text: str) -> object:
    if not text.isprintable() or not text.isascii() or " " in text:
        raise UsageError("not a word of ASCII characters")
    return text


def _number(text: str) -> object:
    if not (text.isascii() and text.isdecimal()):
        raise UsageError("not a number")
    return text


_USER_HEADINGS = ("user_id", "name")
_OTHER_USERS = frozenset(
    {"sender", "target_user_id", "creator", "promoter", "blocked_by", "quarantined_by", "old_owner"}
)
# In a list of rooms or events, `name` is the room's.
_OF_ROOMS = {"name": frozenset({"room_id", "event_id", "room"})}
_ROOM_HEADINGS = ("room_id", "canonical_alias", "alias")

USERS = InputKind("user", (_USER_HEADINGS,), _user, _OTHER_USERS, _OF_ROOMS)
ROOMS = InputKind("room", (_ROOM_HEADINGS,), parse_room, frozenset({"new_room_id", "replacement_room"}))
ROOMS_AND_USERS = InputKind(
    "room or user", (_USER_HEADINGS, _ROOM_HEADINGS), _room_or_user, USERS.rivals | ROOMS.rivals, _OF_ROOMS
)
MEDIA = InputKind(
    "media item", (("media", "media_id"),), _media, server=("origin", "media_origin", "server_name")
)
EVENT_REPORTS = InputKind(
    "report of an event", (("report_id", "id"),), _number, foreign={"id": frozenset({"target_user_id"})}
)
USER_REPORTS = InputKind(
    "report of a user", (("report_id", "id"),), _number, foreign={"id": frozenset({"event_id"})}
)
REGISTRATION_TOKENS = InputKind("registration token", (("token",),), _word)
SERVERS = InputKind("server", (("destination", "server_name"),), parse_server_name)


class Row(NamedTuple):
    """A line of a list.

    Attributes:
        where: the file and the line for errors: ``users.csv, line 3``.
        cells: the texts by heading. A line without a heading has one cell, under ``""``.
    """

    where: str
    cells: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Row({self.where!r})"  # the cells may contain a password


def read_targets(arguments: Sequence[str], source: str | None, kind: InputKind) -> list[str]:
    """Return the targets of the arguments and of a list, each once, in their order.

    Args:
        arguments: targets from the command line, which the caller checks.
        source: a file, ``-`` for standard input, either with ``:COLUMN``; None where there is no list.

    Raises:
        UsageError: the list cannot be read, or there are no targets.
    """
    listed = [] if source is None else _listed(source, kind)
    targets = list(dict.fromkeys([*arguments, *listed]))
    if targets:
        return targets
    if source is not None:
        raise UsageError(f"{_source_name(_split(source)[0])} names no {kind.noun}")
    message = f"no {kind.noun} is named: name one, or give a list with --from FILE"
    raise UsageError(message, hint=QUOTE_ROOMS if kind is ROOMS else None)


def read_rows(
    source: str,
    columns: Sequence[str],
    *,
    aliases: Mapping[str, str] | None = None,
    raw: Collection[str] = (),
) -> list[Row]:
    """Return the rows of a list, with the cells by the names of ``columns``. Absent cells are left out.

    Args:
        source: a file, or ``-`` for standard input.
        columns: the known headings; in a list without headings, each line is a value of the first one.
        aliases: other headings, and the names of ``columns`` that they stand for.
        raw: columns with values that are not changed, such as passwords.

    Raises:
        UsageError: the list cannot be read, or has an unknown heading.
    """
    names = {**(aliases or {}), **{name: name for name in columns}}
    read = _rows(source, known=names.keys(), raw=frozenset(raw))
    if not read:
        raise UsageError(f"{_source_name(source)} is empty")
    rows = []
    for row in read:
        unknown = [name for name in row.cells if name and name not in names]
        if unknown:
            subject = "the column is" if len(unknown) == 1 else "the columns are"
            raise UsageError(
                f"{row.where}: {subject} not understood: {', '.join(ascii(name)[1:-1] for name in unknown)}",
                hint=f"use {', '.join(columns)}, and remove the others",
            )
        cells: dict[str, str] = {}
        for name, text in row.cells.items():
            column = names.get(name, columns[0])
            if column in cells:
                raise UsageError(f"{row.where}: two columns are the {column}")
            cells[column] = text
        rows.append(Row(row.where, cells))
    return rows


def read_text(source: str) -> str:
    """Return the text of a file, or of standard input for ``-``, without its byte order mark.

    Raises:
        UsageError: it cannot be read, is not UTF-8 text, or is too large.
    """
    place = _source_name(source)
    try:
        if source == "-":
            content = sys.stdin.buffer.read(_LARGEST + 1) if sys.stdin is not None else b""
        else:
            with open(source, "rb") as file:  # noqa: PTH123  pathlib costs a tenth of the start-up
                content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a valid file name"
        raise UsageError(f"cannot read {place}: {reason}") from None
    if len(content) > _LARGEST:
        raise UsageError(f"{place} is larger than {_LARGEST // 1024**2} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{place}, line {line}: not UTF-8 text") from None


def _source_name(source: str) -> str:
    return "standard input" if source == "-" else source


def _split(source: str) -> tuple[str, str | None]:
    """Return the file and the column of ``FILE:COLUMN``; the column is None where only a file is given."""
    name, colon, column = source.rpartition(":")
    if not colon or not name or not column or "/" in column or os.path.exists(source):  # noqa: PTH110  as above
        return source, None
    return name, _heading(column)


def _listed(source: str, kind: InputKind) -> list[str]:
    name, column = _split(source)
    rows = _rows(name, known=kind.headings | ({column} if column else set()))
    if not rows:
        return []
    heading = column if column is not None else _column_of(rows, kind, _source_name(name))
    return [_target(row, heading, kind, bare=column is None) for row in rows]


def _target(row: Row, heading: str, kind: InputKind, *, bare: bool) -> str:
    if heading not in row.cells:
        raise UsageError(f"{row.where}: there is no column {ascii(heading)[1:-1]}")
    text = row.cells[heading]
    if not text:
        raise UsageError(f"{row.where}: the column {heading} is empty")
    server = next((row.cells[name] for name in kind.server if row.cells.get(name)), None)
    if server is not None and bare and "/" not in text:
        text = f"mxc://{server}/{text}"
    try:
        kind.check(text)
    except UsageError:
        raise UsageError(f"{row.where}: this is not a valid {kind.noun}") from None
    return text


def _column_of(rows: Sequence[Row], kind: InputKind, place: str) -> str:
    """Return the heading of the column with the ids."""
    headings = list(dict.fromkeys(name for row in rows for name in row.cells))
    if headings == [""]:
        return ""
    possible = [name for name in headings if not kind.ruled_out(name, headings)]
    own = [next((name for name in group if name in possible), "") for group in kind.groups]
    own = [name for name in own if name]
    others = [name for name in headings if name in kind.rivals]
    if len(own) == 1 and not others:
        return own[0]
    if not own and headings == others and len(others) == 1:
        return others[0]
    candidates = own + others
    if not candidates:
        raise UsageError(
            f"{place}: no column is known to hold a {kind.noun}",
            hint=f"name the column: --from {'-' if place == 'standard input' else 'FILE'}:COLUMN",
        )
    problem = "only this column could be meant" if len(candidates) == 1 else "several columns could be meant"
    raise UsageError(
        f"{place}: {problem}: {', '.join(candidates)}",
        hint=f"name the one you mean: --from {'-' if place == 'standard input' else place}:{candidates[-1]}",
    )


def _rows(source: str, *, known: Collection[str], raw: Collection[str] = ()) -> list[Row]:
    place = _source_name(source)
    lines = [
        (f"{place}, line {number}", line)
        for number, line in enumerate(io.StringIO(read_text(source), newline=None), 1)
        if line.strip() and not re.match(_COMMENT, line.lstrip())
    ]
    if not lines:
        return []
    where, first = lines[0][0], lines[0][1].strip()
    _refuse_other_formats(where, lines)
    if first.startswith("{"):
        return [_record(where, line) for where, line in lines]
    separator = max(_SEPARATORS, key=first.count)
    headings = [_heading(cell) for cell in _cells(where, first, separator)]
    if not set(headings) & set(known):
        return [_single_value(where, line) for where, line in lines]
    named = [name for name in headings if name]
    if len(set(named)) < len(named):
        raise UsageError(f"{where}: two columns have the same heading")
    return list(_table(lines[1:], headings, separator, raw))


def _refuse_other_formats(where: str, lines: Sequence[tuple[str, str]]) -> None:
    first = lines[0][1].strip()
    underlined = len(lines) > 1 and set(lines[1][1].strip()) <= {"-", " "}
    if underlined or first in {"[", "[]", "{"} or first.startswith("[{"):
        what = "a table" if underlined else "JSON"
        raise UsageError(
            f"{where}: this is {what}; lines, CSV with a heading or NDJSON can be read",
            hint="write the list with -o name, -o csv or -o ndjson",
        )


def _heading(text: str) -> str:
    text = text.strip()
    return text if "." in text else text.casefold().replace(" ", "_")


def _cells(where: str, line: str, separator: str) -> list[str]:
    import csv

    try:
        # Line by line: otherwise an unclosed quotation mark would include the next lines.
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        raise UsageError(f"{where}: the quotation marks of a cell do not match") from None


def _table(
    lines: Sequence[tuple[str, str]], headings: Sequence[str], separator: str, raw: Collection[str]
) -> Iterator[Row]:
    for where, line in lines:
        cells = _cells(where, line.rstrip("\r\n"), separator)
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(headings):
            raise UsageError(f"{where}: there are {len(cells)} cells, but the heading has {len(headings)}")
        named: dict[str, str] = {}
        for name, cell in zip(headings, cells, strict=True):
            if name:
                named[name] = cell if name in raw else re.sub(_GUARDED, "", cell.strip())
            elif cell.strip():
                raise UsageError(f"{where}: a cell has no heading")
        yield Row(where, named)


def _single_value(where: str, line: str) -> Row:
    text = re.sub(_TRAILING_COMMENT, "", line.strip())
    if not text.startswith(_MAY_HOLD_SEPARATORS) and any(mark in text for mark in _SEPARATORS):
        raise UsageError(
            f"{where}: there are several values, but the list has no heading that is known",
            hint="write one a line, or begin with a line that names the columns: user_id,displayname",
        )
    return Row(where, {"": text})


def _record(where: str, line: str) -> Row:
    import json

    record = None
    with suppress(ValueError, RecursionError):
        record = json.loads(line)
    if not isinstance(record, dict):
        raise UsageError(f"{where}: this is not a JSON object on one line")
    return Row(where, dict(_flatten(record)))


def _flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    import json

    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            yield prefix + name, value
        else:
            yield prefix + name, "" if value is None else json.dumps(value)
