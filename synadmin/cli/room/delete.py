"""``synadmin room delete|delete-status``: remove the local members from rooms and delete the rooms."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.outcomes import NotAsAskedError, Record, unchanged
from synadmin.cli.parameters import given
from synadmin.cli.progress import progress
from synadmin.cli.server_task import Task
from synadmin.cli.targets import ROOMS, Targets, counted, join_names, room_id_of, unfit_owner, user_id_of
from synadmin.cli.verbs import ChosenTargets, Shown, reads, server_task
from synadmin.columns import Column
from synadmin.errors import MatrixError, NotFoundError, RefusedError, UsageError
from synadmin.ids import RoomId, server_name_of
from synadmin.text import command, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from synadmin.api.room_deletion import DeletionOptions, DeletionStatus, RoomShutDown
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse
    from synadmin.ids import UserId


def _poll(synapse: "Synapse", delete_id: str) -> "DeletionStatus":
    """Return the status of a deletion; if it failed, with the error of its task."""
    from msgspec.structs import replace

    status = synapse.room_deletion.status(delete_id)
    if status.status != "failed":
        return status
    tasks = synapse.tasks.list(resource_id=status.room_id).scheduled_tasks
    error = next((task.error for task in tasks if task.id == delete_id and task.error), status.error)
    made = f"the new room is {status.new_room_id}" if status.new_room_id else None
    return replace(status, error="; ".join(filter(None, (error, made))) or None)


_DELETION = Task(
    field="delete_id",
    poll=_poll,
    doing="deleting {}",
    status_command="room delete-status",
)
_COLUMNS = (
    Column("kicked_users", title="removed"),
    Column("new_room_id", title="new room", whole=True),
    Column("local_aliases", title="aliases moved", shown=False),
    Column("delete_id", title="deletion", shown=False),
)


@server_task(ROOMS, "room_deletion.delete", "room_deletion.delete_at_once", task=_DELETION, columns=_COLUMNS)
@click.option("--empty", is_flag=True, help="Delete all rooms that no local user is joined to.")
@click.option(
    "--purge/--no-purge", default=None, help="Remove the rooms from the database, or keep them there."
)
@click.option("--force-purge", is_flag=True, help="Purge a room even if a member could not be removed.")
@click.option("--block", is_flag=True, help="Block the room: local users cannot join it again.")
@click.option("--new-room-user", metavar="USER", help="Move the users to a new room that this user controls.")
@click.option("--room-name", metavar="NAME", help="The new room's name.")
@click.option("--message", metavar="TEXT", help="The first message in the new room.")
@click.option("--at-once", is_flag=True, help="Use the older API: one long request.")
def delete(
    synapse: "Synapse",
    room_id: "RoomId",
    *,
    empty: bool,
    options: "DeletionOptions",
    at_once: bool,
) -> "str | Record":
    """Remove all local members from rooms and delete the rooms.

    Users of other servers stay: for them the room continues. A deletion cannot be undone. It runs on the
    server; this command waits for its end. If an earlier deletion made a new room, no second one is made.

    --empty takes the rooms for which the server's statistics count no local member. The member list of each
    is read first, and again before its deletion. `synadmin room list --no-local-members` lists these rooms.
    Local users who are still invited are named before the question. Synapse does not show an invitation that
    another server sent after the last local user had left: the result names this user as removed.

    \b
    Examples:
        synadmin room delete '#spam:example.org' --block
        synadmin room delete '!abcdef:example.org' --new-room-user admin \\
            --room-name 'We have moved'
        synadmin room delete --from empty-rooms.txt --yes -o ndjson
        synadmin room delete '!abcdef:example.org' --no-purge --dry-run
        synadmin room delete --empty --dry-run
    """
    if empty:
        _refuse_if_joined(synapse, room_id)
    if options.get("new_room_user_id"):
        earlier = next((past for past in _deletions(synapse, room_id) if past.new_room_id), None)
        if earlier is not None:
            return _continue_deletion(room_id, earlier)
    if not options.get("block"):
        deleted = _deleted_already(synapse, room_id)
        if deleted is not None:
            return deleted
    if at_once:
        shut_down = synapse.room_deletion.delete_at_once(room_id, **options)
        return {**shut_down.as_sent(), **_read_back(synapse, room_id, shut_down, options, None)}
    try:
        return synapse.room_deletion.delete(room_id, **options).delete_id
    except MatrixError as error:
        # This also happens if an answer was lost, and the request was sent again.
        if "already in progress" not in error.reason:
            raise
        earlier = _find_deletion(synapse, room_id, "active", "scheduled")
        if earlier is None:
            error.hint = f"follow it with `{command('room', 'delete-status', room_id, '--wait')}`"
            raise
        return earlier.delete_id


@delete.check
def _(
    *,
    room_id: tuple[str, ...],
    source: str | None,
    empty: bool,
    purge: bool | None,
    force_purge: bool,
    block: bool,
    new_room_user: str | None,
    room_name: str | None,
    message: str | None,
    at_once: bool,
    no_wait: bool,
) -> dict[str, Any]:
    if not (empty or room_id or source):
        ROOMS.read((), None)  # raises the error for missing rooms
    if empty and room_id:
        raise UsageError("--empty takes no rooms: leave out ROOM or --empty")
    contradictions = {
        "--empty and --from": empty and source is not None,
        "--empty and --new-room-user": empty and new_room_user is not None,
        "--force-purge and --no-purge": force_purge and purge is False,
        "--room-name without --new-room-user": room_name is not None and new_room_user is None,
        "--message without --new-room-user": message is not None and new_room_user is None,
        "--at-once and --no-wait": at_once and no_wait,
    }
    for options_, given_together in contradictions.items():
        if given_together:
            raise UsageError(f"{options_}: not a possible combination")
    options = given(
        purge=purge,
        force_purge=force_purge or None,
        block=block or None,
        new_room_user_id=new_room_user,
        room_name=room_name,
        message=message,
    )
    return {"options": options, "invited": {}}


@delete.select
def _(synapse: "Synapse", *, empty: bool, invocation: "Invocation") -> ChosenTargets | None:
    """Return the rooms that no local user is joined to; warn of local users who are invited to them."""
    if not empty:
        return None
    from synadmin.cli.room.selection import invited_to, without_local_members
    from synadmin.parallel import side_by_side

    at_once = invocation.settings.concurrency
    empty_rooms = without_local_members(synapse, synapse.rooms.list(), at_once=at_once)
    rooms = [room.room_id for room in empty_rooms]
    if not rooms:
        invocation.say("No room is without local members.")
        return ChosenTargets(ROOMS, targets=Targets([]))
    found = side_by_side(lambda room: (room, invited_to(synapse, room)), rooms, at_once=at_once)
    invited = dict(progress(invocation, found, total=len(rooms), what="looked at"))
    for room_id, users in invited.items():
        if users is None:
            invocation.warn(f"warning: it is unknown whether local users are invited to '{room_id}'.")
        elif users:
            number = len(users)
            invocation.warn(
                f"warning: '{room_id}' has {counted(number, 'invited local user')}: {join_names(users)}. "
                f"The deletion rejects {counted(number, 'invitation')}."
            )
    return ChosenTargets(ROOMS, targets=Targets([*rooms]), values={"invited": invited})


@delete.guard
def _(synapse: "Synapse", _: list[str], *, options: "DeletionOptions") -> None:
    new_owner = options.get("new_room_user_id")
    if new_owner is None:
        return
    user_id = user_id_of(synapse, new_owner)
    state = unfit_owner(synapse, user_id)
    if state is not None:
        message = f"{user_id} is {state}: the account could not use the new room"
        raise RefusedError(message, hint="nothing was changed; name another user with --new-room-user")
    options["new_room_user_id"] = user_id


@delete.question
def _(
    synapse: "Synapse",
    rooms: "list[RoomId]",
    *,
    options: "DeletionOptions",
    invited: "Mapping[RoomId, Sequence[UserId] | None]",
    invocation: "Invocation",
) -> str:
    local = 0
    lines = []
    for room in progress(invocation, rooms, total=len(rooms), what="looked at"):
        line, number = _describe_room(synapse, room)
        lines.append(line)
        local += number
    invocation.warn("\n".join(lines))
    invitations = sum(len(invited.get(room) or ()) for room in rooms)
    history = "is deleted from" if options.get("purge", True) else "stays in"
    sentences = [
        f"{ROOMS.counted(len(rooms))} will be deleted.",
        f"{counted(local, 'local user')} will be removed." if local else "",
        f"{counted(invitations, 'invitation')} will be rejected." if invitations else "",
        f"The history {history} the database.",
        "Local users cannot join again." if options.get("block") else "",
    ]
    if options.get("new_room_user_id"):
        sentences.append(f"The removed users join a new room of {options['new_room_user_id']}.")
    return " ".join(filter(None, [*sentences, "This cannot be undone. Continue?"]))


@delete.finish
def _(
    synapse: "Synapse",
    room_id: "RoomId",
    delete_id: str,
    status: "DeletionStatus",
    *,
    options: "DeletionOptions",
) -> Record:
    record = _read_back(synapse, room_id, status.shutdown_room, options, delete_id)
    return {**(status.as_sent()["shutdown_room"] or {}), **record}


def _describe_room(synapse: "Synapse", room_id: RoomId) -> tuple[str, int]:
    """Return a line about a room for the question, and the number of its local members."""
    try:
        details = synapse.rooms.get(room_id)
    except NotFoundError as error:
        return f"  {room_id}: {error}", 0
    home = server_name_of(synapse.owner)
    # The counts in the room's details are statistics, and may be wrong.
    try:
        members = synapse.rooms.members(room_id).members
    except NotFoundError:
        members = ()
    local = sum(server_name_of(user) == home for user in members)
    name = details.name or details.canonical_alias
    called = f"{safe_text(name)}: {room_id}" if name else room_id
    return f"  {called}, {counted(len(members), 'member')}, {local} of them local", local


def _deleted_already(synapse: "Synapse", room_id: RoomId) -> Record | None:
    """Return the record of a room that was deleted earlier; None where the room exists.

    Raises:
        NotFoundError: the server does not know the room, and no earlier deletion of it.
    """
    try:
        synapse.rooms.get(room_id)
    except NotFoundError:
        earlier = _find_deletion(synapse, room_id, "complete")
        if earlier is None:
            raise
        return unchanged("already deleted", delete_id=earlier.delete_id)
    return None


def _refuse_if_joined(synapse: "Synapse", room_id: RoomId) -> None:
    """Refuse a room that is no longer empty.

    Raises:
        RefusedError: a local user has joined since the rooms were chosen.
    """
    from synadmin.recovery.observer import local_members

    with suppress(NotFoundError):
        joined = local_members(synapse, room_id)
        if joined:
            raise RefusedError(f"a local user is in the room now: {join_names(joined)}. Nothing was changed")


def _find_deletion(synapse: "Synapse", room_id: RoomId, *states: str) -> "DeletionStatus | None":
    """Return an earlier deletion of the room that is in one of these states."""
    return next((past for past in _deletions(synapse, room_id) if past.status in states), None)


def _deletions(synapse: "Synapse", room_id: RoomId) -> "Sequence[DeletionStatus]":
    """Return the deletions of the room; the server keeps those of the last week."""
    try:
        return synapse.room_deletion.of_room(room_id).results
    except NotFoundError:
        return ()


def _continue_deletion(room_id: RoomId, earlier: "DeletionStatus") -> "str | Record":
    """Return the result for a room whose earlier deletion made a new room.

    Raises:
        RefusedError: the earlier deletion failed.
    """
    shut_down, new = earlier.shutdown_room, earlier.new_room_id
    if earlier.status == "failed":
        message = f"an earlier deletion of {room_id} made the new room {new}, and failed"
        hint = f"delete the room without --new-room-user, and invite its users to {new}"
        raise RefusedError(message, hint=hint)
    if earlier.status != "complete" or shut_down is None:
        return earlier.delete_id
    record = {"delete_id": earlier.delete_id, **(earlier.as_sent()["shutdown_room"] or {})}
    message = f"an earlier deletion made the new room {new}"
    return {**unchanged(message, **record), **_not_removed(shut_down, earlier.delete_id)}


def _read_back(
    synapse: "Synapse",
    room_id: RoomId,
    shut_down: "RoomShutDown | None",
    options: "DeletionOptions",
    delete_id: str | None,
) -> "dict[str, Any]":
    """Check the room after a deletion; return the record of members that could not be removed.

    Raises:
        NotAsAskedError: the room is not as requested.
    """
    from synadmin.recovery.observer import local_members

    record = _not_removed(shut_down, delete_id)
    new = f"; the new room is {shut_down.new_room_id}" if shut_down and shut_down.new_room_id else ""
    if options.get("block") and not synapse.rooms.block_status(room_id).block:
        raise NotAsAskedError(f"{room_id} is not blocked afterwards{new}")
    try:
        inside = local_members(synapse, room_id)
    except NotFoundError:
        return record
    if options.get("purge", True):
        raise NotAsAskedError(f"{room_id} is still in the database afterwards{new}")
    if inside:
        raise NotAsAskedError(
            f"{counted(len(inside), 'user')} of this server still in {room_id}: {', '.join(inside)}{new}"
        )
    return record


def _not_removed(shut_down: "RoomShutDown | None", delete_id: str | None) -> dict[str, Any]:
    """Return the record of members that could not be removed or moved; empty where there are none."""
    failed = () if shut_down is None else shut_down.failed_to_kick_users
    if not failed:
        return {}
    message = (
        f"{counted(len(failed), 'user')} could not be removed, or not be moved to the new room: "
        f"{', '.join(failed)}"
    )
    if delete_id is not None:
        message += f"; see `{command('room', 'delete-status', delete_id)}`"
    return {"outcome": "partly", "message": message}


_STATUS_COLUMNS = (
    Column("delete_id", title="deletion"),
    Column("room_id", title="room", whole=True),
    Column("status"),
    Column("shutdown_room.kicked_users", title="removed"),
    Column("shutdown_room.failed_to_kick_users", title="not removed"),
    Column("shutdown_room.new_room_id", title="new room"),
    Column("shutdown_room.local_aliases", title="aliases moved", shown=False),
    Column("error", shown=False),
)


@reads("room_deletion.status", "room_deletion.of_room", name="delete-status", columns=_STATUS_COLUMNS)
@click.argument("deletion", metavar="ID|ROOM")
@click.option("--wait", is_flag=True, help="Wait until the deletion has ended.")
def delete_status(synapse: "Synapse", deletion: str, *, wait: bool, invocation: "Invocation") -> object:
    """Show the progress of a room deletion.

    ID is the id of a deletion. For ROOM, all its deletions are shown.

    The server keeps them for a week.

    \b
    Examples:
        synadmin room delete-status bHkCNQpHqOaFhPtK
        synadmin room delete-status bHkCNQpHqOaFhPtK --wait
        synadmin room delete-status '!abcdef:example.org' -o json
    """
    if not deletion.startswith(("!", "#")):
        status = synapse.room_deletion.status(deletion)
        if wait:
            status = _wait_for(invocation, synapse, status)
            not_removed = _not_removed(status.shutdown_room, None).get("message")
            return Shown(status.as_sent(), error=NotAsAskedError(not_removed) if not_removed else None)
        return status
    room_id = room_id_of(synapse, deletion)
    deletions = synapse.room_deletion.of_room(room_id)
    if wait:
        for under_way in deletions.results:
            _wait_for(invocation, synapse, under_way)
        deletions = synapse.room_deletion.of_room(room_id)
    return deletions.as_sent()["results"]


def _wait_for(invocation: "Invocation", synapse: "Synapse", status: "DeletionStatus") -> "DeletionStatus":
    what = _DELETION.doing.format(status.room_id)
    ended: DeletionStatus = _DELETION.wait_for(invocation, synapse, status.delete_id, what=what)
    return ended
