"""``synadmin room join|block|unblock``: join local users to rooms, or keep them out."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.input_files import ROOMS_AND_USERS, read_targets
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.room.describe import describe_rooms
from synadmin.cli.targets import ROOMS, USERS, Kind, Targets
from synadmin.cli.verbs import ChosenTargets, changes
from synadmin.columns import Column
from synadmin.errors import NotPermittedError, UsageError
from synadmin.ids import RoomId, UserId, parse_server_name, server_name_of

if TYPE_CHECKING:
    from synadmin.client import Synapse

_JOINED = "in the room"
_BLOCKED = (Column("blocked"), Column("blocked_by", title="by"))


@changes(
    USERS,
    "rooms.join",
    does="Join",
    columns=lambda *, kind: (
        [Column("room_id", title="room", whole=True)]
        if kind is USERS
        else [Column("user_id", title="user", whole=True)]
    ),
    resumable=False,
)
@click.argument("user_id", nargs=-1, metavar="ROOM USER...")
@click.option("--via", metavar="SERVER", multiple=True, help="A server that is in the room; repeatable.")
def join(
    synapse: "Synapse", user_id: str, *, kind: Kind, rooms: Targets, users: list[str], servers: list[str]
) -> Record:
    """Join local users to a room, or a user to several rooms.

    For a room that is not public, your account invites the users first. It must be in the room, with the
    right to invite.

    \b
    Examples:
        synadmin room join '#club:example.org' alice bob
        synadmin room join '#club:example.org' --from new-members.txt
        synadmin room join '#club:example.org' '#board:example.org' alice
    """
    room, user = (rooms.names[0], UserId(user_id)) if kind is USERS else (user_id, UserId(users[0]))
    if room in rooms.errors:
        raise rooms.errors[room]
    try:
        joined = synapse.rooms.join(RoomId(room), user_id=user, via=servers).room_id
    except NotPermittedError as error:
        # Synapse refuses to invite a user who is already in the room.
        if room in synapse.activity.joined_rooms(user).joined_rooms:
            return unchanged(f"already {_JOINED}", user_id=user, room_id=room, membership="join")
        error.hint = "you have to be in the room with the right to invite: see `synadmin room make-admin`"
        raise
    membership = synapse.users.memberships(user).memberships.get(joined)
    if membership != "join":
        raise NotAsAskedError(f"{user} is not in {joined} afterwards (membership: {membership})")
    return done(_JOINED, user_id=user, room_id=joined, membership=membership)


@join.check
def _(*, user_id: tuple[str, ...], source: str | None, via: tuple[str, ...]) -> dict[str, Any]:
    named = read_targets(user_id, source, ROOMS_AND_USERS)
    rooms = [ROOMS.parse(name) for name in named if name.startswith(("!", "#"))]
    users = [USERS.parse(name) for name in named if not name.startswith(("!", "#"))]
    if not rooms or not users:
        missing = "user" if rooms else "room"
        raise UsageError(
            f"no {missing} is named: give a user, and a room by its id or alias (not by its name)",
            hint="`synadmin room join '#club:example.org' alice`",
        )
    if len(rooms) > 1 and len(users) > 1:
        message = "several users and several rooms: name one room for the users, or one user for the rooms"
        raise UsageError(message)
    servers = [parse_server_name(server) for server in via]
    return {"user_id": (), "source": None, "named": (rooms, users), "servers": servers}


@join.select
def _(synapse: "Synapse", *, named: tuple[list[str], list[str]]) -> ChosenTargets:
    home = server_name_of(synapse.owner)
    users = USERS.resolve(synapse, named[1])
    away = next((user for user in users.names if server_name_of(user) != home), None)
    if away is not None:
        raise UsageError(f"{away} is not a user of this server: only local users can be joined to rooms")
    rooms = ROOMS.resolve(synapse, named[0])
    values = {"rooms": rooms, "users": users.names}
    if len(rooms.names) == 1:
        return ChosenTargets(USERS, targets=users, values=values)
    return ChosenTargets(ROOMS, targets=rooms, values=values)


@changes(ROOMS, "rooms.block", columns=_BLOCKED)
def block(synapse: "Synapse", room_id: RoomId) -> Record:
    """Block rooms: local users cannot join them.

    Members stay in the room; `room delete --block` also removes them. You can block a room that the server
    does not know yet. `room show` shows whether a room is blocked.

    \b
    Examples:
        synadmin room block '!abcdef:example.org'
        synadmin room block --from spam-rooms.txt --yes -o ndjson
    """
    return _set_blocked(synapse, room_id, blocked=True)


@block.question
def _(synapse: "Synapse", rooms: list[str]) -> str:
    which = describe_rooms(synapse, rooms)
    return f"Users of this server will no longer be able to join {which}. Continue?"


@changes(ROOMS, "rooms.block", columns=_BLOCKED)
def unblock(synapse: "Synapse", room_id: RoomId) -> Record:
    """Unblock rooms: local users can join them again.

    \b
    Examples:
        synadmin room unblock '!abcdef:example.org'
        synadmin room unblock --from rooms.txt
    """
    return _set_blocked(synapse, room_id, blocked=False)


def _set_blocked(synapse: "Synapse", room_id: RoomId, *, blocked: bool) -> Record:
    before = synapse.rooms.block_status(room_id)
    state = "blocked" if blocked else "not blocked"
    if before.block == blocked:
        return unchanged(f"already {state}", blocked=blocked, blocked_by=before.user_id)
    synapse.rooms.block(room_id, block=blocked)
    status = synapse.rooms.block_status(room_id)
    if status.block != blocked:
        raise NotAsAskedError(f"{room_id} is {'' if status.block else 'not '}blocked afterwards")
    return done(state, blocked=status.block, blocked_by=status.user_id)
