"""``synadmin media quarantine|unquarantine|protect|unprotect``: change the quarantine of media."""

import re
from typing import TYPE_CHECKING

import click

from synadmin.cli.invocation import Invocation
from synadmin.cli.media.read import media_in_room
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.targets import MEDIA, ROOMS, USERS, Kind, counted, room_id_of, user_id_of
from synadmin.cli.verbs import ChosenTargets, changes
from synadmin.columns import Column
from synadmin.errors import NotFoundError, NotSupportedError, RefusedError, UsageError
from synadmin.ids import MediaId, RoomId, UserId, parse_media_id, server_name_of
from synadmin.text import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from synadmin.api.media import MediaInfo
    from synadmin.client import Synapse

_QUARANTINED = "in quarantine"
_OF_SYNAPSE = re.compile("[A-Za-z]{24}")  # a media id; other text may be the name of a user
_AFTERWARDS = "Users cannot open quarantined media until `synadmin media unquarantine`. Continue?"


_OF_ROOM = click.option(
    "--room", "rooms", multiple=True, metavar="ROOM", help="All media in the events of a room."
)
_OF_USER = click.option(
    "--user", "users", multiple=True, metavar="USER", help="All media that a user uploaded."
)


@changes(
    MEDIA,
    *("media.quarantine", "media.quarantine_in_room", "media.quarantine_in_room_old"),
    "media.quarantine_of_user",
    columns=lambda *, kind: (
        [Column("quarantined_by", title="quarantined by")]
        if kind is MEDIA
        else [Column("num_quarantined", title="quarantined", right=True)]
    ),
)
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@_OF_ROOM
@_OF_USER
@click.option("--old-path", is_flag=True, help="With --room: use the deprecated path.")
def quarantine(synapse: "Synapse", media: str, *, kind: Kind, old_path: bool) -> Record:
    """Make media unavailable without deleting it.

    Media with the same content is quarantined, too. --room takes the media in the room's unencrypted events.
    Protected media stays available.

    \b
    Examples:
        synadmin media quarantine mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media quarantine --room '#spam:example.org' --dry-run
        synadmin media quarantine --user mallory --yes
    """
    if kind is ROOMS:
        return _quarantine_room(synapse, media, old_path=old_path)
    if kind is USERS:
        return _quarantine_user(synapse, media)
    return _quarantine_item(synapse, media)


@quarantine.check
def _(
    *,
    media: tuple[str, ...],
    source: str | None,
    rooms: tuple[str, ...],
    users: tuple[str, ...],
    old_path: bool,
) -> None:
    _require_one_kind(media=media, source=source, rooms=rooms, users=users)
    if old_path and not rooms:
        raise UsageError("--old-path goes with --room")


@quarantine.select
def _(_: "Synapse", *, rooms: tuple[str, ...], users: tuple[str, ...]) -> ChosenTargets | None:
    if rooms:
        return ChosenTargets(ROOMS, list(rooms))
    return ChosenTargets(USERS, list(users)) if users else None


@quarantine.question
def _(synapse: "Synapse", names: list[str], *, kind: Kind) -> str:
    if kind is ROOMS:
        return _question_of_rooms(synapse, names)
    if kind is USERS:
        return _question_of_users(synapse, names)
    return f"{named_media(synapse, names)} will be quarantined. {_AFTERWARDS}"


@changes(MEDIA, "media.unquarantine")
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@_OF_ROOM
@_OF_USER
def unquarantine(synapse: "Synapse", media: str) -> Record:
    """Make quarantined media available again.

    All items with the same content become available, too.

    \b
    Examples:
        synadmin media unquarantine mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media unquarantine --user alice --dry-run
    """
    item = parse_media_id(media)
    before = media_info(synapse, item)
    if before is not None and before.quarantined_by is None:
        return unchanged(f"already not {_QUARANTINED}")
    synapse.media.unquarantine(*item)
    after = media_info(synapse, item)
    if after is not None and after.quarantined_by is not None:
        raise NotAsAskedError(f"{media} is still in quarantine, by {after.quarantined_by}")
    return {} if after is None else done(f"not {_QUARANTINED}")


@unquarantine.check
def _require_one_kind(
    *, media: tuple[str, ...], source: str | None, rooms: tuple[str, ...], users: tuple[str, ...]
) -> None:
    if sum((bool(media or source), bool(rooms), bool(users))) != 1:
        raise UsageError("no media are named: name items, or give --from FILE, --room, or --user")


@unquarantine.select
def _(
    synapse: "Synapse", *, rooms: tuple[str, ...], users: tuple[str, ...], invocation: Invocation
) -> ChosenTargets | None:
    if not rooms and not users:
        return None
    names: list[str] = []
    for room in dict.fromkeys(room_id_of(synapse, room) for room in rooms):
        names += _quarantined_in(synapse, room)
    for user in dict.fromkeys(user_id_of(synapse, user) for user in users):
        names += _quarantined_of(synapse, user)
    if not names:
        invocation.say("None of it is in quarantine.")
    return ChosenTargets(MEDIA, names)


@changes(MEDIA, "media.protect")
def protect(synapse: "Synapse", media: str) -> Record:
    """Protect local media from quarantine.

    Use it for stickers or the logo of a server.

    Media that is already quarantined stays quarantined.

    \b
    Examples:
        synadmin media protect mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media protect --from stickers.txt
    """
    return _set_protected(synapse, media, safe=True)


@changes(MEDIA, "media.unprotect")
def unprotect(synapse: "Synapse", media: str) -> Record:
    """Allow the quarantine of local media again.

    \b
    Examples:
        synadmin media unprotect mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media unprotect --from stickers.txt
    """
    return _set_protected(synapse, media, safe=False)


def _set_protected(synapse: "Synapse", media: str, *, safe: bool) -> Record:
    item = parse_media_id(media)
    require_local(synapse, item, "protected from quarantine")
    before = media_info(synapse, item)
    state = "protected" if safe else "not protected"
    if before is not None and before.safe_from_quarantine is safe:
        return unchanged(f"already {state}")
    (synapse.media.protect if safe else synapse.media.unprotect)(item.media_id)
    after = media_info(synapse, item)
    if after is None:
        return {}
    if after.safe_from_quarantine is not safe:
        raise NotAsAskedError(f"{media} is {'not' if safe else 'still'} protected")
    return done(f"{state}: it stays {_QUARANTINED}" if safe and after.quarantined_by else state)


def media_info(synapse: "Synapse", item: MediaId) -> "MediaInfo | None":
    """Return the details of a media item; None where this Synapse is too old.

    Raises:
        NotFoundError: there is no such item.
    """
    try:
        return synapse.media.get(*item).media_info
    except NotSupportedError:
        return None
    except NotFoundError as error:
        if not _OF_SYNAPSE.fullmatch(item.media_id) and item.media_id[0] not in "#!":
            error.hint = f"for all media of a user, write --user {item.media_id}"
        raise


def require_local(synapse: "Synapse", item: MediaId, what: str) -> None:
    """Refuse a media item of another server.

    Raises:
        RefusedError: the item was uploaded to another server.
    """
    home = server_name_of(synapse.owner)
    if item.server_name != home:
        raise RefusedError(f"{item} was not uploaded to {home}: only local media can be {what}")


def named_media(synapse: "Synapse", names: "Sequence[str]") -> str:
    """Return the name, type, size and uploader of one item, or the number of several."""
    if len(names) > 1:
        return MEDIA.counted(len(names))
    (name,) = names
    info = media_info(synapse, parse_media_id(name))
    if info is None:
        return name
    size = "of unknown size" if info.media_length is None else counted(info.media_length, "byte")
    by = f", uploaded by {info.user_id}" if info.user_id else ""
    return f"{name} ({info.media_type or 'unknown type'}, {size}{by})"


def _quarantine_item(synapse: "Synapse", media: str) -> Record:
    item = parse_media_id(media)
    before = media_info(synapse, item)
    if before is not None and before.quarantined_by is not None:
        return unchanged(f"already {_QUARANTINED}", quarantined_by=before.quarantined_by)
    if before is not None and before.safe_from_quarantine:
        message = f"{media} is protected from quarantine"
        raise RefusedError(message, hint=f"`{command('media', 'unprotect', media)}` ends that")
    synapse.media.quarantine(*item)
    after = media_info(synapse, item)
    if after is None:
        return {"quarantined_by": None}
    if after.quarantined_by is None:
        raise NotAsAskedError(f"{media} is not in quarantine, although the server reported success")
    return done(_QUARANTINED, quarantined_by=after.quarantined_by)


def _quarantine_room(synapse: "Synapse", room: str, *, old_path: bool) -> Record:
    # Raises where there is no such room; the request to come would answer with 0.
    synapse.rooms.get(RoomId(room))
    send = synapse.media.quarantine_in_room_old if old_path else synapse.media.quarantine_in_room
    # The server's count is the result: reading back would take one request for each item.
    return {"num_quarantined": send(RoomId(room)).num_quarantined}


def _quarantine_user(synapse: "Synapse", user: str) -> Record:
    user_id = UserId(user)
    # Raises where there is no such user; the request to come would answer with 0.
    if not synapse.media.of_user(user_id, page_size=1).total:
        return unchanged("the user has uploaded nothing", num_quarantined=0)
    answer = synapse.media.quarantine_of_user(user_id)
    protected = 0
    for item in synapse.media.of_user(user_id):
        if item.safe_from_quarantine:
            protected += 1
        elif item.quarantined_by is None and item.url_cache is None:
            message = f"{item.media_id} of {user} is not in quarantine, although the server reported success"
            raise NotAsAskedError(message)
    note = f"{counted(protected, 'item')} protected from quarantine" if protected else None
    return {"num_quarantined": answer.num_quarantined, "message": note}


def _question_of_rooms(synapse: "Synapse", names: list[str]) -> str:
    is_local = {
        item["media"]: item["local"] for room in names for item in media_in_room(synapse, RoomId(room))
    }
    local = sum(is_local.values())
    where = ROOMS.named(names, most=1)
    amount = counted(len(is_local), "item")
    items_of = f"{amount} of media ({local} uploaded here, {len(is_local) - local} elsewhere)"
    return f"{items_of} that events in {where} point to will be quarantined. {_AFTERWARDS}"


def _question_of_users(synapse: "Synapse", names: list[str]) -> str:
    total = sum(synapse.media.of_user(UserId(user), page_size=1).total or 0 for user in names)
    whose = USERS.named(names, most=1)
    return f"{counted(total, 'item')} of media that {whose} uploaded will be quarantined. {_AFTERWARDS}"


def _quarantined_in(synapse: "Synapse", room: RoomId) -> "Iterator[str]":
    for uri in dict.fromkeys(item["media"] for item in media_in_room(synapse, room)):
        try:
            info = media_info(synapse, parse_media_id(uri))
        except NotFoundError:  # deleted since, or of another server and not in the cache
            continue
        if info is None or info.quarantined_by is not None:
            yield uri


def _quarantined_of(synapse: "Synapse", user: UserId) -> "Iterator[str]":
    home = server_name_of(user)
    for item in synapse.media.of_user(user):
        if item.quarantined_by is not None:
            yield str(MediaId(home, item.media_id))
