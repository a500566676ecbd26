"""Matrix identifiers: checked where a person types them, percent-encoded where they enter a path.

Identifiers that a server sends are not checked: a homeserver may have rooms with ids that today's
grammar refuses, and an administrator must be able to work with those rooms, too.

Source: Matrix specification, Appendices, "Identifier Grammar".
"""

import re
from typing import NamedTuple, NewType

from synadmin.errors import UsageError

RoomId = NewType("RoomId", str)
"""``!opaque:server``, or ``!opaque`` alone from room version 12 on. Never split it."""
RoomAlias = NewType("RoomAlias", str)
"""``#name:server``."""
UserId = NewType("UserId", str)
"""``@localpart:server``."""
EventId = NewType("EventId", str)
"""``$opaque``, with ``:server`` in room versions 1 and 2."""


class MediaId(NamedTuple):
    """An item of media: the server that it was uploaded to, and its id there."""

    server_name: str
    media_id: str

    def __str__(self) -> str:
        return f"mxc://{self.server_name}/{self.media_id}"


_LONGEST = 255  # bytes, for every identifier, sigil and server name included
_HOST = r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})"
_SERVER_NAME = rf"{_HOST}(?::[0-9]{{1,5}})?\Z"
# Old user ids may have any printable ASCII character; commands must accept such an account, too.
_LOCALPART = r"[!-9;-~]*\Z"
_OPAQUE = r"[!-9;-~]+\Z"
# Wider than in the specification: media ids of other media repositories have dots and other characters.
_MEDIA = r"[!-.0-9:;=@-~]+\Z"
_EVENT = r"\$[!-~]+\Z"
_HIGHEST_PORT = 65535


def encoded(identifier: str) -> str:
    """Return the identifier as one path segment: nothing in it can end the segment or start a query.

    Raises:
        UsageError: it is not text (an argument of the command line that is not UTF-8).
    """
    from urllib.parse import quote  # not needed to show help

    if identifier in {".", ".."}:
        # Proxies read an unencoded "." or ".." as this directory or its parent.
        return identifier.replace(".", "%2E")
    try:
        return quote(identifier, safe="")
    except UnicodeEncodeError:
        raise UsageError(f"{identifier!a} is not valid Unicode text") from None


def is_server_name(text: str) -> bool:
    """Whether the text is a host with an optional port."""
    if not re.match(_SERVER_NAME, text):
        return False
    port = text.rpartition(":")[2] if re.search(r":[0-9]+\Z", text) and not text.endswith("]") else ""
    return not port or 0 < int(port) <= _HIGHEST_PORT


def server_name_of(identifier: str) -> str:
    """Return the server name in a user id or alias, after the first colon; ``""`` where there is none.

    Do not use it for room ids: from room version 12 on they have no server name.
    """
    return identifier.partition(":")[2]


def localpart_of(user_id: str) -> str:
    """Return the localpart of a user id."""
    return user_id.removeprefix("@").partition(":")[0]


def _checked(text: str, *, sigil: str, kind: str, example: str, local: str) -> str:
    shown = ascii(text) if not text.isprintable() or not text.isascii() else f'"{text}"'
    if not text.startswith(sigil):
        raise UsageError(f"{shown} is not a {kind}: a {kind} starts with {sigil}, as in {example}")
    localpart, colon, server = text[1:].partition(":")
    if not colon or not re.match(local, localpart) or not is_server_name(server):
        raise UsageError(f"{shown} is not a {kind}: a {kind} looks like {example}")
    if len(text.encode()) > _LONGEST:
        raise UsageError(f"{shown} is not a {kind}: it is longer than {_LONGEST} bytes")
    return text


def parse_user_id(text: str, *, home: str | None = None) -> UserId:
    """Check a user id that a person typed.

    Args:
        text: ``@alice:example.org``, or ``alice`` where ``home`` is given.
        home: the server name that completes a bare localpart.

    Raises:
        UsageError: it is not a user id.
    """
    if "@" in text and not text.startswith("@"):
        localpart, _, server = text.partition("@")
        raise UsageError(f"{text!a} is not a user id: did you mean @{localpart}:{server}?")
    if home is not None and text and ":" not in text:
        if text.startswith("@"):
            localpart, at, server = text[1:].partition("@")
            if at and server:
                raise UsageError(f"{text!a} is not a user id: did you mean @{localpart}:{server}?")
            message = f"{text!a} is not a user id: it lacks the server name, as in @alice:example.org"
            raise UsageError(message, hint=f"write {text[1:]!a} for an account of your own server")
        text = f"@{text}:{home}"
    return UserId(_checked(text, sigil="@", kind="user id", example="@alice:example.org", local=_LOCALPART))


def parse_local_user_id(text: str, *, home: str) -> UserId:
    """Check the user id, or the localpart, of an account of this server.

    Raises:
        UsageError: it is not a user id, or one of another server.
    """
    user_id = parse_user_id(text, home=home)
    if server_name_of(user_id) != home:
        raise UsageError(
            f"{user_id} is a user of another server: the name of this server is {home}",
            hint=f"only accounts of this server can be named here: their ids end with :{home}",
        )
    return user_id


def parse_alias(text: str) -> RoomAlias:
    """Check a room alias that a person typed. Aliases may hold any character but a colon or NUL.

    Raises:
        UsageError: it is not a room alias.
    """
    if ":" not in text and re.match("#" + _ALIAS_LOCALPART, text) and text.isprintable() and "'" not in text:
        message = f"{text!a} is not a room alias: it lacks the server name, as in #club:example.org"
        raise UsageError(message, hint=f"write '{text}:SERVER', in single quotes")
    return RoomAlias(
        _checked(text, sigil="#", kind="room alias", example="#club:example.org", local=_ALIAS_LOCALPART)
    )


# The localpart of an alias may be any text. Control characters are refused, because they would break a
# terminal or a line of a file.
_ALIAS_LOCALPART = r"[^:\x00-\x1f\x7f-\x9f\ud800-\udfff]+\Z"


def parse_room_id(text: str) -> RoomId:
    """Check a room id that a person typed; a ``:server`` part is optional, as version 12 has none.

    Raises:
        UsageError: it is not a room id.
    """
    if text.startswith("!") and ":" not in text and re.match(_OPAQUE, text[1:]) and len(text) <= _LONGEST:
        return RoomId(text)
    return RoomId(_checked(text, sigil="!", kind="room id", example="!opaque:example.org", local=_OPAQUE))


def parse_room(text: str) -> RoomId | RoomAlias:
    """Check a room as a person names it: a room id or an alias.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith("#"):
        return parse_alias(text)
    if text.startswith("!"):
        return parse_room_id(text)
    shown = ascii(text) if not text.isprintable() or not text.isascii() else f'"{text}"'
    message = (
        f"{shown} is neither a room id (!opaque:example.org, or !opaque from room version 12 on) "
        "nor an alias (#club:example.org)"
    )
    raise UsageError(message, hint="`synadmin room list --search NAME` finds a room by its name")


def parse_event_id(text: str) -> EventId:
    """Check an event id that a person typed.

    Raises:
        UsageError: it is not an event id.
    """
    if not re.match(_EVENT, text) or len(text) > _LONGEST:
        raise UsageError(f"{text!a} is not an event id: an event id starts with $ and has no spaces")
    return EventId(text)


def parse_server_name(text: str) -> str:
    """Check a server name that a person typed: a host with an optional port.

    Raises:
        UsageError: it is not a server name.
    """
    if not is_server_name(text):
        message = f"{text!a} is not a server name: a server name looks like example.org or example.org:8448"
        raise UsageError(message)
    return text


def parse_media_id(text: str, *, home: str | None = None) -> MediaId:
    """Check an item of media that a person typed.

    Args:
        text: ``mxc://example.org/AbCdEf`` or ``example.org/AbCdEf``, or ``AbCdEf`` where ``home`` is given.
        home: the server name that completes a bare media id.

    Raises:
        UsageError: it is not an item of media.
    """
    server_name, slash, media_id = text.removeprefix("mxc://").partition("/")
    if not slash and home is not None and not text.startswith("mxc://"):
        server_name, media_id = home, server_name
    if not is_server_name(server_name) or not re.match(_MEDIA, media_id) or len(text) > _LONGEST * 2:
        raise UsageError(f"{text!a} is not a media id: a media id looks like mxc://example.org/AbCdEfGhIj")
    return MediaId(server_name, media_id)
