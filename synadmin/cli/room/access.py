"""``synadmin room join|block|unblock``: who of this server comes in."""

from collections.abc import Mapping
from typing import Any

import click

from synadmin.cli.change import NotAsAskedError, change
from synadmin.cli.confirm import change_options
from synadmin.cli.input_files import ROOMS, ROOMS_AND_USERS, read_targets
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.room.named import Rooms
from synadmin.errors import NotPermittedError, UsageError


@click.command(cls=Command, calls=["rooms.join"])
@click.argument("things", nargs=-1, metavar="ROOM USER...")
@click.option("--from", "source", metavar="FILE|-", help="Read more users, or more rooms, one a line.")
@click.option("--via", metavar="SERVER", multiple=True, help="A server that is in the room; repeatable.")
@change_options
@output_options
@pass_invocation
def join(
    invocation: Invocation,
    things: tuple[str, ...],
    *,
    source: str | None,
    via: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Make users of this server join a room, or a user join several rooms.

    Where a room is not public, you invite them first: you have to be in it, with the right to invite.

    \b
    Examples:
        synadmin room join '#club:example.org' alice bob
        synadmin room join '#club:example.org' --from new-members.txt
        synadmin room join '#club:example.org' '#board:example.org' alice
    """
    from synadmin.ids import UserId, parse_room, parse_server_name, parse_user_id, server_name_of

    named = read_targets(things, source, ROOMS_AND_USERS)
    typed = [parse_room(name) for name in named if name.startswith(("!", "#"))]
    others = [name for name in named if not name.startswith(("!", "#"))]
    servers = [parse_server_name(server) for server in via]
    if not typed or not others:
        message = "a room and a user are needed: synadmin room join '#club:example.org' alice"
        raise UsageError(message)
    if len(typed) > 1 and len(others) > 1:
        message = "several users and several rooms: name one room for the users, or one user for the rooms"
        raise UsageError(message)
    with invocation.synapse() as synapse:
        home = server_name_of(synapse.owner)
        users = [parse_user_id(name, home=home) for name in others]
        away = next((user for user in users if server_name_of(user) != home), None)
        if away is not None:
            message = f"{away} is not a user of this server: only {home}'s own can be made to join"
            raise UsageError(message)
        rooms = Rooms(invocation, synapse, typed)
        by_user = len(rooms.names) == 1

        def act(thing: str) -> Mapping[str, Any]:
            room, user = (rooms.names[0], UserId(thing)) if by_user else (thing, users[0])
            room_id = rooms.id_of(room)
            try:
                joined = synapse.rooms.join(room_id, user_id=user, via=servers).room_id
            except NotPermittedError as error:
                error.hint = (
                    "you have to be in the room with the right to invite: see `synadmin room make-admin`"
                )
                raise
            membership = synapse.users.memberships(user).memberships.get(joined)
            if membership != "join":
                message = f"{user} is not in {joined} afterwards (membership: {membership})"
                raise NotAsAskedError(message)
            return {"user_id": user, "room_id": joined, "membership": membership}

        from synadmin.render import Column

        return change(
            invocation,
            synapse,
            users if by_user else rooms.names,
            act,
            what="user_id" if by_user else "room_id",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("room_id", title="room") if by_user else Column("user_id", title="user")],
        )


def _blocking(
    invocation: Invocation,
    typed: tuple[str, ...],
    source: str | None,
    *,
    wanted: bool,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    from synadmin.ids import parse_room
    from synadmin.render import Column

    named = [parse_room(room) for room in read_targets(typed, source, ROOMS)]
    with invocation.synapse() as synapse:
        rooms = Rooms(invocation, synapse, named)

        def act(room: str) -> Mapping[str, Any]:
            room_id = rooms.id_of(room)
            synapse.rooms.block(room_id, block=wanted)
            status = synapse.rooms.block_status(room_id)
            if status.block != wanted:
                message = f"{room_id} is {'' if status.block else 'not '}blocked afterwards"
                raise NotAsAskedError(message)
            return {"blocked": status.block, "blocked_by": status.user_id}

        return change(
            invocation,
            synapse,
            rooms.names,
            act,
            what="room_id",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("blocked"), Column("blocked_by", title="by")],
        )


@click.command(cls=Command, calls=["rooms.block"])
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@change_options
@output_options
@pass_invocation
def block(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Let no user of this server into rooms any more.

    Who is in a room stays in it; `room delete --block` puts them out too. A room that the server does not
    know can be blocked beforehand. `room show` tells whether a room is blocked.

    \b
    Examples:
        synadmin room block '!abcdef:example.org'
        synadmin room block --from spam-rooms.txt -o ndjson
    """
    return _blocking(invocation, rooms, source, wanted=True, dry_run=dry_run, yes=yes, output=output)


@click.command(cls=Command, calls=["rooms.block"])
@click.argument("rooms", nargs=-1, metavar="ROOM...")
@click.option("--from", "source", metavar="FILE|-", help="Read rooms from a file, one a line.")
@change_options
@output_options
@pass_invocation
def unblock(
    invocation: Invocation,
    rooms: tuple[str, ...],
    *,
    source: str | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Let users of this server into rooms again.

    \b
    Examples:
        synadmin room unblock '!abcdef:example.org'
        synadmin room unblock --from rooms.txt
    """
    return _blocking(invocation, rooms, source, wanted=False, dry_run=dry_run, yes=yes, output=output)
