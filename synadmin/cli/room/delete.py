"""``synadmin room delete|delete-status``: putting everybody out of a room, and removing it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from synadmin.cli.bulk import progress
from synadmin.cli.change import NotAsAskedError, change, counted
from synadmin.cli.confirm import change_options
from synadmin.cli.follow import TaskFailedError, follow
from synadmin.cli.input_files import ROOMS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.room.look import resolved
from synadmin.cli.room.named import Rooms
from synadmin.errors import MatrixError, NotFoundError, SynadminError, UsageError

if TYPE_CHECKING:
    from synadmin.api.room_deletion import DeletionOptions, DeletionStatus, RoomShutDown
    from synadmin.client import Synapse
    from synadmin.ids import RoomId
    from synadmin.render import Column


@click.command(cls=Command, calls=["room_deletion.delete", "room_deletion.delete_at_once"])
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@click.option("--purge/--no-purge", default=None, help="Remove it from the database too, or keep it there.")
@click.option("--force-purge", is_flag=True, help="Remove it even where a user could not be put out.")
@click.option("--block", is_flag=True, help="Let no user of this server in again.")
@click.option("--new-room-user", metavar="USER", help="Move the users to a new room that this user controls.")
@click.option("--room-name", metavar="NAME", help="The new room's name.")
@click.option("--message", metavar="TEXT", help="The first message in the new room.")
@click.option("--no-wait", is_flag=True, help="Print the id of the deletion, and do not wait for its end.")
@click.option("--at-once", is_flag=True, help="By the older way, one long request that cannot be left.")
@change_options
@output_options
@pass_invocation
def delete(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    source: str | None,
    purge: bool | None,
    force_purge: bool,
    block: bool,
    new_room_user: str | None,
    room_name: str | None,
    message: str | None,
    no_wait: bool,
    at_once: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Put all users of this server out of rooms, and remove the rooms from its database.

    Users of other servers are not touched: for them the room goes on. What was removed cannot be brought
    back. The server does the work by itself; this command waits for the end of it.

    \b
    Examples:
        synadmin room delete '#spam:example.org' --block
        synadmin room delete '!abcdef:example.org' --new-room-user admin --room-name 'We have moved'
        synadmin room delete --from empty-rooms.txt --yes -o ndjson
        synadmin room delete '!abcdef:example.org' --no-purge --dry-run
    """
    from synadmin.ids import parse_room, parse_user_id, server_name_of
    from synadmin.render import Column

    named = [parse_room(room) for room in read_targets(rooms, source, ROOMS)]
    _check(
        {
            "--force-purge and --no-purge": force_purge and purge is False,
            "--room-name without --new-room-user": room_name is not None and new_room_user is None,
            "--message without --new-room-user": message is not None and new_room_user is None,
            "--at-once and --no-wait": at_once and no_wait,
        },
    )
    given: dict[str, Any] = {
        "purge": purge,
        "force_purge": force_purge or None,
        "block": block or None,
        "new_room_user_id": new_room_user,
        "room_name": room_name,
        "message": message,
    }
    with invocation.synapse() as synapse:
        if new_room_user is not None:
            home = server_name_of(synapse.owner)
            given["new_room_user_id"] = parse_user_id(new_room_user, home=home)
            if server_name_of(given["new_room_user_id"]) != home:
                words = f"{given['new_room_user_id']} is not a user of this server"
                raise UsageError(words)
        options = cast("DeletionOptions", {key: value for key, value in given.items() if value is not None})
        found = Rooms(invocation, synapse, named)

        def act(room: str) -> Mapping[str, Any]:
            room_id = found.id_of(room)
            if not block:
                # The server would say that a room nobody has heard of was deleted.
                synapse.rooms.get(room_id)
            if at_once:
                shut_down = synapse.room_deletion.delete_at_once(room_id, **options)
                _read_back(synapse, room_id, shut_down, options, None)
                return shut_down.as_sent()
            delete_id = _begun(synapse, room_id, options)
            told = {"delete_id": delete_id}
            if no_wait:
                words = f"the server goes on with it: {_again(delete_id)}"
                return told | {"outcome": "pending", "message": words}
            status = _followed(invocation, synapse, room_id, delete_id)
            _read_back(synapse, room_id, status.shutdown_room, options, delete_id)
            return told | (status.as_sent()["shutdown_room"] or {})

        question = None
        if not dry_run and not yes:
            question = _question(invocation, synapse, found, options)
        return change(
            invocation,
            synapse,
            found.names,
            act,
            what="room_id",
            question=question,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[
                Column("kicked_users", title="put out"),
                Column("new_room_id", title="new room", shown=new_room_user is not None),
                Column("local_aliases", title="aliases moved", shown=new_room_user is not None),
                Column("delete_id", title="deletion", shown=no_wait),
            ],
        )


@click.command("delete-status", cls=Command, calls=["room_deletion.status", "room_deletion.of_room"])
@click.argument("deletion", metavar="ID|ROOM")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@output_options
@pass_invocation
def delete_status(invocation: Invocation, deletion: str, *, wait: bool, output: Output) -> None:
    """Tell how far a deletion is: by its id, or all of a room by the room's id.

    The server remembers them for a week.

    \b
    Examples:
        synadmin room delete-status bHkCNQpHqOaFhPtK
        synadmin room delete-status bHkCNQpHqOaFhPtK --wait
        synadmin room delete-status '!abcdef:example.org' -o json
    """
    from synadmin.ids import RoomId

    with invocation.synapse() as synapse:
        if not deletion.startswith(("!", "#")):
            status = synapse.room_deletion.status(deletion)
            if wait:
                status = _followed(invocation, synapse, status.room_id, deletion)
            output.write_one(status.as_sent(), _status_columns())
            if wait:
                _all_put_out(status.shutdown_room, deletion)
            return
        room_id = RoomId(resolved(synapse, deletion))
        found = synapse.room_deletion.of_room(room_id)
        if wait:
            for one in found.results:
                _followed(invocation, synapse, room_id, one.delete_id)
            found = synapse.room_deletion.of_room(room_id)
    output.write(found.as_sent()["results"], _status_columns())


def _check(contradictions: Mapping[str, bool]) -> None:
    for words, so in contradictions.items():
        if so:
            message = f"{words} makes no sense"
            raise UsageError(message)


def _begun(synapse: "Synapse", room_id: "RoomId", options: "DeletionOptions") -> str:
    try:
        return synapse.room_deletion.delete(room_id, **options).delete_id
    except MatrixError as error:
        # Also where an answer was lost, and the request was sent again.
        if "already in progress" in error.reason:
            error.hint = f"take it up with `{_again(room_id)}`"
        raise


def _again(deletion: str) -> str:
    # Room ids begin with what shells take for history.
    quoted = f"'{deletion}'" if deletion.startswith("!") else deletion
    return f"synadmin room delete-status {quoted} --wait"


def _followed(
    invocation: Invocation,
    synapse: "Synapse",
    room_id: "RoomId",
    delete_id: str,
) -> "DeletionStatus":
    try:
        return follow(
            invocation,
            lambda: synapse.room_deletion.status(delete_id),
            what=f"deleting {room_id}",
            again=_again(delete_id),
        )
    except TaskFailedError as error:
        # The status does not tell why, but the task that it stands for does.
        tasks = synapse.tasks.list(resource_id=room_id).scheduled_tasks
        words = next((task.error for task in tasks if task.id == delete_id and task.error), None)
        message = f"{error}: {words}" if words else str(error)
        raise TaskFailedError(
            message, hint=f"`synadmin room delete-status {delete_id}` shows the rest"
        ) from None


def _read_back(
    synapse: "Synapse",
    room_id: "RoomId",
    shut_down: "RoomShutDown | None",
    options: "DeletionOptions",
    delete_id: str | None,
) -> None:
    """Make sure that what was asked for is so.

    Raises:
        NotAsAskedError: it is not.
    """
    from synadmin.ids import server_name_of

    _all_put_out(shut_down, delete_id)
    if options.get("block") and not synapse.rooms.block_status(room_id).block:
        message = f"{room_id} is not blocked afterwards"
        raise NotAsAskedError(message)
    try:
        left = synapse.rooms.members(room_id).members
    except NotFoundError:
        return
    if options.get("purge", True):
        message = f"{room_id} is still in the database afterwards"
        raise NotAsAskedError(message)
    home = server_name_of(synapse.owner)
    inside = [user for user in left if server_name_of(user) == home]
    if inside:
        message = f"{counted(len(inside), 'user')} of this server still in {room_id}: {', '.join(inside)}"
        raise NotAsAskedError(message)


def _all_put_out(shut_down: "RoomShutDown | None", delete_id: str | None) -> None:
    failed = () if shut_down is None else shut_down.failed_to_kick_users
    if failed:
        message = (
            f"{counted(len(failed), 'user')} could not be put out, or not be moved to the new room: "
            f"{', '.join(failed)}"
        )
        hint = None if delete_id is None else f"`synadmin room delete-status {delete_id}` shows the rest"
        raise NotAsAskedError(message, hint=hint)


def _question(
    invocation: Invocation,
    synapse: "Synapse",
    rooms: Rooms,
    options: "DeletionOptions",
) -> str:
    """Look at the rooms, and ask what has to be known before they are gone."""
    from synadmin.render import plain

    local = 0
    lines = []
    for room in progress(invocation, rooms.names, total=len(rooms.names), what="looked at"):
        try:
            details = synapse.rooms.get(rooms.id_of(room))
        except SynadminError as error:
            if len(rooms.names) == 1 and not (options.get("block") and isinstance(error, NotFoundError)):
                raise
            lines.append(f"  {room}: {error}")
            continue
        local += details.joined_local_members
        name = details.name or details.canonical_alias
        lines.append(
            f"  {f'{name}: ' if name else ''}{details.room_id}, {counted(details.joined_members, 'member')}, "
            f"{details.joined_local_members} of them of this server",
        )
    invocation.warn("\n".join(lines))
    words = [f"Delete {counted(len(rooms.names), 'room')}: put out {counted(local, 'user')} of this server"]
    if options.get("purge", True):
        words.append("remove all trace of it from the database for good")
    if options.get("block"):
        words.append("let nobody of this server in again")
    if options.get("new_room_user_id"):
        words.append(f"move them to a new room of {options['new_room_user_id']}")
    *first, last = words
    return plain(f"{', '.join(first)} and {last}?" if first else f"{last}?")


def _status_columns() -> "list[Column]":
    from synadmin.render import Column

    return [
        Column("delete_id", title="deletion"),
        Column("room_id", title="room"),
        Column("status"),
        Column("shutdown_room.kicked_users", title="put out"),
        Column("shutdown_room.failed_to_kick_users", title="not put out"),
        Column("shutdown_room.new_room_id", title="new room"),
        Column("shutdown_room.local_aliases", title="aliases moved", shown=False),
        Column("error", shown=False),
    ]
