"""``synadmin room hierarchy``: show a space and its rooms."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.output import Output
from synadmin.cli.verbs import reads
from synadmin.columns import Column
from synadmin.errors import NotSupportedError, ServerError
from synadmin.text import safe_text

if TYPE_CHECKING:
    from synadmin.client import Synapse
    from synadmin.ids import RoomId


def tree(rooms: Sequence[Mapping[str, Any]], root: str, *, max_depth: int | None = None) -> Iterator[str]:
    """Yield a tree of the rooms of a hierarchy, one line for each room.

    A room of several spaces is below each of them. Its own rooms are shown only once.

    Args:
        rooms: as the server sent them.
        root: the space to begin with.
        max_depth: the depth of the request.
    """
    known = {room["room_id"]: room for room in rooms}
    opened: set[str] = set()
    # Without recursion: spaces may be nested to any depth.
    waiting = [(root, 0, "", "")]
    while waiting:
        room_id, depth, lead, below = waiting.pop()
        children: list[str] = []
        line = f"{room_id}  (no local user is in it)"
        if room_id in known:
            children = _children(known[room_id])
            line = _room_line(known[room_id])
        if room_id in opened and children:
            line, children = f"{line}  (see above)", []
        opened.add(room_id)
        if max_depth is not None and depth >= max_depth and children:
            line, children = f"{line}  ({len(children)} in it)", []
        yield safe_text(f"{lead}{line}")
        following = [
            (child, depth + 1, f"{below}├─ ", f"{below}│  ")
            if number < len(children)
            else (child, depth + 1, f"{below}└─ ", f"{below}   ")
            for number, child in enumerate(children, 1)
        ]
        waiting += reversed(following)


def _children(room: Mapping[str, Any]) -> list[str]:
    # Each room once: a bug of the server could return a room twice.
    return list(dict.fromkeys(child["state_key"] for child in room.get("children_state", ())))


def _room_line(room: Mapping[str, Any]) -> str:
    count = room.get("num_joined_members", 0)
    details = [
        "space" if room.get("room_type") == "m.space" else "",
        f"{count} member{'' if count == 1 else 's'}",
        str(room.get("join_rule") or ""),
    ]
    name = room.get("name") or room.get("canonical_alias")
    called = f"{safe_text(name)}  " if name else ""
    return f"{called}{room['room_id']}  ({', '.join(filter(None, details))})"


_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("name", breakable=True),
    Column("canonical_alias", title="alias"),
    Column("num_joined_members", title="members", right=True),
    Column("room_type", title="type"),
    Column("join_rule", title="join rule"),
    Column("room_version", title="version", right=True),
    Column("children", value=_children),
    Column("topic", shown=False),
    Column("avatar_url", shown=False),
    Column("encryption", shown=False),
    Column("world_readable", shown=False),
    Column("guest_can_join", shown=False),
    Column("allowed_room_ids", shown=False),
)


@reads("rooms.hierarchy")
@click.option("--max-depth", type=click.IntRange(min=0), help="Depth of the tree; 0 is only the space.")
@click.option("--page-size", type=click.IntRange(1, 50), help="Rooms in one request [default: 50].")
def hierarchy(
    synapse: "Synapse", room_id: "RoomId", *, max_depth: int | None, page_size: int | None, output: Output
) -> None:
    """Show a space and its rooms as a tree.

    For a room without a local user, only the id is shown.

    \b
    Examples:
        synadmin room hierarchy '#club-space:example.org'
        synadmin room hierarchy '!abcdef:example.org' --max-depth 1 -o ndjson
    """
    from synadmin.recovery.rooms_in_space import hierarchy_from_state

    pager = synapse.rooms.hierarchy(room_id, max_depth=max_depth, page_size=page_size)
    as_tree = output.in_words
    try:
        if not as_tree:
            output.stream(pager, _COLUMNS, empty="No such space.")
            return
        rooms = [room.as_sent() for room in pager]
    except NotSupportedError:
        rooms = [room.as_sent() for room in hierarchy_from_state(synapse, room_id, max_depth=max_depth)]
        if not as_tree:
            output.write(rooms, _COLUMNS, empty="No such space.")
            return
    except ServerError as error:
        # Seen in 1.163: the next entry of the tree is a room that the server is not in, and is the
        # first of a page.
        error.hint = (
            "Synapse fails where a page begins with a room that it is not in: try another --page-size"
        )
        raise
    if not rooms:
        click.echo("No such space: no local user is in it.", err=True)
        return
    for line in tree(rooms, room_id, max_depth=max_depth):
        click.echo(line)
