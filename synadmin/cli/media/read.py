"""``synadmin media list|show|quarantine-changes``: show media."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import MEDIA_ORDERS
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.cli.parameters import sort_option
from synadmin.cli.targets import room_id_of, user_id_of
from synadmin.cli.verbs import Shown, reads
from synadmin.columns import Column, human_size, time_column
from synadmin.errors import UsageError
from synadmin.ids import RoomId, parse_media_id, server_name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.api.choices import MediaOrder
    from synadmin.client import Synapse


_ROOM_COLUMNS = (Column("media", whole=True), Column("local"))


@reads("media.in_room", "media.of_user", name="list")
@click.option("--room", metavar="ROOM", help="Media in the unencrypted events of a room.")
@click.option("--user", metavar="USER", help="Media that a local user uploaded.")
@sort_option(MEDIA_ORDERS, default="newest first; only with --user")
def list_(
    synapse: "Synapse", *, room: str | None, user: str | None, sort: tuple["MediaOrder | None", bool]
) -> object:
    """List the media of a room or of a user.

    \b
    Examples:
        synadmin media list --room '#club:example.org'
        synadmin media list --user alice --sort media_length:desc
        synadmin media list --user alice -o ndjson
    """
    if room is not None:
        media = media_in_room(synapse, room_id_of(synapse, room))
        return Shown(media, _ROOM_COLUMNS, empty="No media there.")
    user_id = user_id_of(synapse, user or "")
    pager = synapse.media.of_user(user_id, order_by=sort[0], reverse=sort[1])
    columns = _user_columns(server_name_of(synapse.owner))
    return Shown(pager, columns, empty=f"{user_id} has uploaded nothing.")


@list_.check
def _(*, room: str | None, user: str | None, sort: tuple["MediaOrder | None", bool]) -> None:
    if (room is None) == (user is None):
        raise UsageError("no media are named: give one --room or one --user")
    if room is not None and sort[0] is not None:
        raise UsageError("--sort goes with --user: a room's media comes newest first")


def media_in_room(synapse: "Synapse", room_id: RoomId) -> "Iterator[dict[str, Any]]":
    """Yield the media in a room's events, each item once.

    Raises:
        NotFoundError: the server knows no such room.
    """
    uris_of = synapse.media.in_room(room_id)
    if not uris_of.local and not uris_of.remote:
        # The server gives the same answer for an unknown room.
        synapse.rooms.get(room_id)
    for local, uris in ((True, uris_of.local), (False, uris_of.remote)):
        for uri in dict.fromkeys(uris):
            yield {"media": uri, "local": local}


def _user_columns(home: str) -> list[Column]:
    return [
        Column("media", value=lambda item: f"mxc://{home}/{item.get('media_id')}", whole=True),
        Column("media_type", title="type", breakable=True),
        Column("media_length", title="size", right=True, whole=True, terminal=human_size),
        Column("upload_name", title="name", breakable=True, spare=True),
        time_column("created_ts", "uploaded", spare=True),
        time_column("last_access_ts", "last accessed", zero=False, spare=True),
        Column("quarantined_by", title="quarantined by", spare=True),
        Column("safe_from_quarantine", title="protected", spare=True),
        Column("media_id", shown=False),
        Column("user_id", title="user", shown=False),
        Column("url_cache", shown=False),
        Column("authenticated", shown=False),
        Column("sha256", shown=False),
    ]


@reads("media.get")
def show(synapse: "Synapse", media: str) -> object:
    """Show the details of a media item.

    The item is local, or a cached copy from another server.

    \b
    Examples:
        synadmin media show mxc://example.org/AbCdEfGhIjKlMnOpQrStUvWx
        synadmin media show AbCdEfGhIjKlMnOpQrStUvWx -o json
    """
    info = synapse.media.get(*parse_media_id(media)).as_sent()["media_info"]
    return Shown(info, [_column(name) for name in info])


def _column(name: str) -> Column:
    title = _TITLES.get(name)
    if name.endswith("_ts"):
        return time_column(name, title, zero=False)
    if name in _FLAGS:
        # Synapse with SQLite sends 1 and 0.
        return Column(name, title, lambda info: None if info.get(name) is None else bool(info[name]))
    return Column(name, title, terminal=human_size if name == "media_length" else None)


_TITLES = {
    "media_origin": "from server",
    "user_id": "uploaded by",
    "media_type": "type",
    "media_length": "size",
    "upload_name": "name",
    "created_ts": "uploaded",
    "filesystem_id": "file id",
    "url_cache": "preview of",
    "last_access_ts": "last accessed",
    "safe_from_quarantine": "protected",
}
_FLAGS = frozenset({"authenticated", "safe_from_quarantine"})
_CHANGE_COLUMNS = (
    Column(
        "media", value=lambda change: f"mxc://{change.get('origin')}/{change.get('media_id')}", whole=True
    ),
    Column("quarantined", terminal=bool),  # Synapse with SQLite sends 1 and 0
    Column("origin", shown=False),
    Column("media_id", shown=False),
)


@reads("media.quarantine_changes")
@click.option(
    "--after",
    metavar="N",
    type=click.IntRange(min=0),
    help="Only changes after this number from an earlier run.",
)
def quarantine_changes(
    synapse: "Synapse", *, after: int | None, output: Output, invocation: Invocation
) -> None:
    """List changes of the quarantine, oldest first.

    At the end it prints on stderr how to list later changes. Synapse calls the list best-effort: a change may
    be missing or appear twice.

    \b
    Examples:
        synadmin media quarantine-changes
        synadmin media quarantine-changes --after 4711 -o ndjson
    """
    reached: object = None

    def changes() -> "Iterator[dict[str, Any]]":
        nonlocal reached
        for page in synapse.media.quarantine_changes(after=after).pages():
            reached = page.next
            yield from (change.as_sent() for change in page.records())

    output.write(changes(), _CHANGE_COLUMNS, empty="Nothing was quarantined.")
    if reached is not None:
        invocation.say(f"Later changes: --after {reached}")
