"""``synadmin media quarantine|unquarantine|protect|unprotect``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.app import EXIT_DONE
from synadmin.cli.change import Act, NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import MEDIA, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.media.look import of_room
from synadmin.cli.output import Output, output_options
from synadmin.errors import NotFoundError, NotSupportedError, RefusedError, UsageError

if TYPE_CHECKING:
    from synadmin.api.media import MediaInfo
    from synadmin.client import Synapse
    from synadmin.ids import MediaId, RoomId, UserId

_AFTERWARDS = "Nobody can look at it then, until it is taken out again; nothing is deleted."


@click.command(
    cls=Command,
    calls=[
        "media.quarantine",
        "media.quarantine_in_room",
        "media.quarantine_in_room_old",
        "media.quarantine_of_user",
    ],
)
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option(
    "--room", "rooms", multiple=True, metavar="ROOM", help="All that the events of a room point to."
)
@click.option("--user", "users", multiple=True, metavar="USER", help="All that a user has uploaded.")
@click.option("--from", "source", metavar="FILE|-", help="Read items from a file, one a line.")
@click.option("--old-path", is_flag=True, help="With --room: through the path that Synapse has deprecated.")
@change_options
@output_options
@pass_invocation
def quarantine(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    rooms: tuple[str, ...],
    users: tuple[str, ...],
    source: str | None,
    old_path: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Make media unavailable to everybody, without deleting it.

    All that has the same content goes into quarantine with it. Of a room, that is what its unencrypted
    events point to. What is protected stays available.

    \b
    Examples:
        synadmin media quarantine mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media quarantine --room '#spam:example.org' --dry-run
        synadmin media quarantine --user mallory --yes
    """
    from synadmin.ids import server_name_of
    from synadmin.render import Column

    _one_kind(media, source, rooms, users)
    if old_path and not rooms:
        message = "--old-path goes with --room"
        raise UsageError(message)
    asks = not (yes or dry_run)
    with invocation.synapse() as synapse:
        if rooms:
            return change(
                invocation,
                synapse,
                things := _resolved(synapse, rooms),
                _quarantine_room(synapse, old_path=old_path),
                what="room_id",
                question=_question_of_rooms(synapse, things) if asks else "",
                dry_run=dry_run,
                yes=yes,
                output=output,
                columns=[Column("num_quarantined", title="quarantined", right=True)],
            )
        home = server_name_of(synapse.owner)
        if users:
            return change(
                invocation,
                synapse,
                people := _users(users, home),
                _quarantine_user(synapse),
                what="user_id",
                question=_question_of_users(synapse, people) if asks else "",
                dry_run=dry_run,
                yes=yes,
                output=output,
                columns=[Column("num_quarantined", title="quarantined", right=True)],
            )
        wanted = _items(media, source, home)
        return change(
            invocation,
            synapse,
            list(wanted),
            _quarantine_item(synapse, wanted),
            what="media",
            question=_question_of_items(synapse, wanted) if asks else "",
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("quarantined_by", title="quarantined by")],
        )


@click.command(cls=Command, calls=["media.unquarantine"])
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option(
    "--room", "rooms", multiple=True, metavar="ROOM", help="All that the events of a room point to."
)
@click.option("--user", "users", multiple=True, metavar="USER", help="All that a user has uploaded.")
@click.option("--from", "source", metavar="FILE|-", help="Read items from a file, one a line.")
@change_options
@output_options
@pass_invocation
def unquarantine(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    rooms: tuple[str, ...],
    users: tuple[str, ...],
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Make media available again that was in quarantine, and all that has the same content.

    \b
    Examples:
        synadmin media unquarantine mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media unquarantine --user alice --dry-run
    """
    from synadmin.ids import server_name_of

    _one_kind(media, source, rooms, users)
    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        if rooms:
            wanted = _quarantined_in(synapse, _resolved(synapse, rooms))
        elif users:
            wanted = _quarantined_of(synapse, _users(users, home), home)
        else:
            wanted = _items(media, source, home)
        if not wanted:
            invocation.say("Nothing of it is in quarantine.")
            output.write([], [])
            return EXIT_DONE

        def act(thing: str) -> Mapping[str, Any]:
            item = wanted[thing]
            before = look(synapse, item)
            if before is not None and before.quarantined_by is None:
                return {"message": "it was not in quarantine"}
            synapse.media.unquarantine(*item)
            after = look(synapse, item)
            if after is not None and after.quarantined_by is not None:
                message = f"{thing} is still in quarantine, by {after.quarantined_by}"
                raise NotAsAskedError(message)
            return {}

        return change(
            invocation,
            synapse,
            list(wanted),
            act,
            what="media",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


@click.command(cls=Command, calls=["media.protect"])
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option("--from", "source", metavar="FILE|-", help="Read items from a file, one a line.")
@change_options
@output_options
@pass_invocation
def protect(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Keep media that was uploaded here out of quarantine: stickers, a server's logo.

    What is in quarantine already stays in it.

    \b
    Examples:
        synadmin media protect mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media protect --from stickers.txt
    """
    return _protection(
        invocation,
        media,
        safe=True,
        source=source,
        dry_run=dry_run,
        yes=yes,
        output=output,
    )


@click.command(cls=Command, calls=["media.unprotect"])
@click.argument("media", nargs=-1, metavar="[MEDIA]...")
@click.option("--from", "source", metavar="FILE|-", help="Read items from a file, one a line.")
@change_options
@output_options
@pass_invocation
def unprotect(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Let media that was uploaded here be quarantined again.

    \b
    Examples:
        synadmin media unprotect mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media unprotect --from stickers.txt
    """
    return _protection(
        invocation,
        media,
        safe=False,
        source=source,
        dry_run=dry_run,
        yes=yes,
        output=output,
    )


def _protection(
    invocation: Invocation,
    media: tuple[str, ...],
    *,
    safe: bool,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    from synadmin.ids import server_name_of

    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        wanted = _items(media, source, home)

        def act(thing: str) -> Mapping[str, Any]:
            item = wanted[thing]
            require_local(item, home, "protected from quarantine")
            before = look(synapse, item)
            if before is not None and before.safe_from_quarantine is safe:
                return {"message": f"it was {'' if safe else 'not '}protected already"}
            (synapse.media.protect if safe else synapse.media.unprotect)(item.media_id)
            after = look(synapse, item)
            if after is not None and after.safe_from_quarantine is not safe:
                message = f"{thing} is {'not' if safe else 'still'} protected"
                raise NotAsAskedError(message)
            note = "it is in quarantine, and stays in it" if safe and after and after.quarantined_by else None
            return {"message": note}

        return change(
            invocation,
            synapse,
            list(wanted),
            act,
            what="media",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )


def look(synapse: "Synapse", item: "MediaId") -> "MediaInfo | None":
    """Return what is known of an item; None where this Synapse is too old to be asked.

    Raises:
        NotFoundError: it knows no such item.
    """
    try:
        return synapse.media.get(*item).media_info
    except NotSupportedError:
        return None


def require_local(item: "MediaId", home: str, what: str) -> None:
    """Make sure that an item was uploaded here.

    Raises:
        RefusedError: it was not.
    """
    if item.server_name != home:
        message = f"{item} was not uploaded to {home}: only what was can be {what}"
        raise RefusedError(message)


def described(info: "MediaInfo") -> str:
    """Return an item's type, size and uploader in words."""
    size = "of unknown size" if info.media_length is None else counted(info.media_length, "byte")
    by = f", uploaded by {info.user_id}" if info.user_id else ""
    return f"{info.media_type or 'unknown type'}, {size}{by}"


def _one_kind(
    media: tuple[str, ...],
    source: str | None,
    rooms: tuple[str, ...],
    users: tuple[str, ...],
) -> None:
    if sum((bool(media or source), bool(rooms), bool(users))) != 1:
        message = "which media? Name items (or --from FILE), or --room, or --user"
        raise UsageError(message)


def _items(media: tuple[str, ...], source: str | None, home: str) -> "dict[str, MediaId]":
    from synadmin.ids import parse_media_id

    wanted = [parse_media_id(text, home=home) for text in read_targets(media, source, MEDIA)]
    return {str(item): item for item in wanted}


def _resolved(synapse: "Synapse", rooms: tuple[str, ...]) -> "list[RoomId]":
    from synadmin.cli.room.look import resolved

    return list(dict.fromkeys(resolved(synapse, room) for room in rooms))


def _users(users: tuple[str, ...], home: str) -> "list[UserId]":
    from synadmin.ids import parse_user_id

    return list(dict.fromkeys(parse_user_id(user, home=home) for user in users))


def _quarantine_item(synapse: "Synapse", wanted: "Mapping[str, MediaId]") -> Act:
    def act(thing: str) -> Mapping[str, Any]:
        item = wanted[thing]
        before = look(synapse, item)
        if before is not None and before.quarantined_by is not None:
            return {"quarantined_by": before.quarantined_by, "message": "it was in quarantine already"}
        if before is not None and before.safe_from_quarantine:
            message = f"{thing} is protected from quarantine"
            raise RefusedError(message, hint=f"`synadmin media unprotect {thing}` ends that")
        synapse.media.quarantine(*item)
        after = look(synapse, item)
        if after is not None and after.quarantined_by is None:
            message = f"{thing} is not in quarantine, although the server said yes"
            raise NotAsAskedError(message)
        return {"quarantined_by": after.quarantined_by if after is not None else None}

    return act


def _quarantine_room(synapse: "Synapse", *, old_path: bool) -> Act:
    from synadmin.ids import RoomId

    def act(thing: str) -> Mapping[str, Any]:
        send = synapse.media.quarantine_in_room_old if old_path else synapse.media.quarantine_in_room
        # The answer is the server's count of what it has done; to read back would take a request an item.
        return {"num_quarantined": send(RoomId(thing)).num_quarantined}

    return act


def _quarantine_user(synapse: "Synapse") -> Act:
    from synadmin.ids import UserId

    def act(thing: str) -> Mapping[str, Any]:
        user_id = UserId(thing)
        # Raises where there is no such user; the request to come would answer with 0.
        next(synapse.media.of_user(user_id, page_size=1).pages())
        answer = synapse.media.quarantine_of_user(user_id)
        protected = 0
        for item in synapse.media.of_user(user_id):
            if item.safe_from_quarantine:
                protected += 1
            elif item.quarantined_by is None and item.url_cache is None:
                message = f"{item.media_id} of {thing} is not in quarantine, although the server said yes"
                raise NotAsAskedError(message)
        note = f"{counted(protected, 'item')} protected from quarantine" if protected else None
        return {"num_quarantined": answer.num_quarantined, "message": note}

    return act


def _question_of_items(synapse: "Synapse", wanted: "Mapping[str, MediaId]") -> str:
    if len(wanted) > 1:
        return f"Quarantine {counted(len(wanted), 'item')} of media? {_AFTERWARDS}"
    ((uri, item),) = wanted.items()
    info = look(synapse, item)
    return f"Quarantine {uri}{f' ({described(info)})' if info is not None else ''}? {_AFTERWARDS}"


def _question_of_rooms(synapse: "Synapse", rooms: "Sequence[RoomId]") -> str:
    found = {item["media"]: item["local"] for room in rooms for item in of_room(synapse, room)}
    local = sum(found.values())
    where = rooms[0] if len(rooms) == 1 else counted(len(rooms), "room")
    items_of = (
        f"{counted(len(found), 'item')} of media ({local} uploaded here, {len(found) - local} elsewhere)"
    )
    return f"Quarantine {items_of} that events in {where} point to? {_AFTERWARDS}"


def _question_of_users(synapse: "Synapse", users: "Sequence[UserId]") -> str:
    total = sum(next(synapse.media.of_user(user, page_size=1).pages()).total or 0 for user in users)
    whose = users[0] if len(users) == 1 else counted(len(users), "user")
    return f"Quarantine the {counted(total, 'item')} of media that {whose} uploaded? {_AFTERWARDS}"


def _quarantined_in(synapse: "Synapse", rooms: "Sequence[RoomId]") -> "dict[str, MediaId]":
    from synadmin.ids import MediaId

    found = {}
    for uri in dict.fromkeys(item["media"] for room in rooms for item in of_room(synapse, room)):
        item = MediaId(*uri.removeprefix("mxc://").split("/", 1))
        try:
            info = look(synapse, item)
        except NotFoundError:  # deleted since, or of another server and not in the cache
            continue
        if info is None or info.quarantined_by is not None:
            found[uri] = item
    return found


def _quarantined_of(synapse: "Synapse", users: "Sequence[UserId]", home: str) -> "dict[str, MediaId]":
    from synadmin.ids import MediaId

    found = (
        MediaId(home, item.media_id)
        for user in users
        for item in synapse.media.of_user(user)
        if item.quarantined_by is not None
    )
    return {str(item): item for item in found}
