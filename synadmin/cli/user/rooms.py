"""``synadmin user rooms``, and the check that an account leaves no room without control."""

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.output import Output
from synadmin.cli.targets import counted, join_names
from synadmin.cli.verbs import reads
from synadmin.columns import Column
from synadmin.errors import NotFoundError, SynadminError
from synadmin.text import command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from synadmin.cli.invocation import Invocation
    from synadmin.cli.outcomes import Record
    from synadmin.client import Synapse
    from synadmin.ids import RoomId, UserId
    from synadmin.recovery.room_control import RoomControl

_SHOWN = 5  # the most rooms that a refusal names; the record has all


def _control(record: "Mapping[str, Any]") -> str:
    """Return for people whether the user has control of a room, with a membership other than joined."""
    if not record["control"]:
        return "no" if record["membership"] == "join" else f"no ({record['membership']})"
    return "shared" if len(record["controllers"]) > 1 else "alone"


def _columns(*, output: Output) -> tuple[Column, ...]:
    return (
        Column("room_id", title="room", whole=True),
        Column("room.name", title="name", breakable=True),
        Column("membership", shown=not output.on_terminal),  # the column control has it unless it is join
        Column("level", right=True),
        Column("control", value=_control if output.on_terminal else None),
        Column("controllers", spare=True),
        Column("room.canonical_alias", title="alias", shown=False),
        Column("room.version", title="version", shown=False),
    )


@reads("users.memberships", columns=_columns, empty="In no room.")
@click.option("--with-power", is_flag=True, help="Only rooms where the level is above the default.")
def rooms(synapse: "Synapse", user_id: "UserId", *, with_power: bool) -> object:
    """List the rooms of an account, with its power in them.

    Shows for each room the membership and the level, whether the account has control of the room alone or
    with others, and the joined local users with control.

    \b
    Examples:
        synadmin user rooms alice
        synadmin user rooms alice --with-power -o csv
    """
    from synadmin.recovery.observer import Observer
    from synadmin.recovery.room_control import record_of_user, rooms_of

    synapse.users.get(user_id)  # raises for an account that does not exist
    observer = Observer(synapse)

    def records() -> "Iterator[dict[str, Any]]":
        for room_id, membership in sorted(rooms_of(observer, user_id).items()):
            try:
                record = record_of_user(observer, user_id, room_id, membership, with_power=with_power)
            except NotFoundError:
                continue
            if record is not None:
                yield record

    return records()


def rooms_losing_control(
    synapse: "Synapse",
    users: "Sequence[UserId]",
    successors: "Mapping[UserId, Collection[UserId]] | None" = None,
    unread: "dict[RoomId, SynadminError] | None" = None,
) -> "dict[str, list[RoomControl]]":
    """Return for each user the rooms that no local user would control after all these users have left.

    Args:
        users: the users who leave.
        successors: by user, the successors; rooms where all of them have control are left out.
        unread: a dict for the errors of rooms that cannot be read; None: the error is raised.
    """
    from synadmin.recovery.observer import Observer
    from synadmin.recovery.room_control import loses_control, rooms_without

    successors = successors or {}
    leaving = frozenset(users)
    everyone = frozenset(chain.from_iterable(successors.values()))
    controlled: dict[str, list[RoomControl]] = {}
    with synapse.fast() as fast:
        observer = Observer(fast, at_once=fast.transport.connection.pool_size)
        for control in rooms_without(observer, leaving, everyone, unread):
            for user in control.controllers:
                # For this user, the successors of other users count as members who stay.
                if user in leaving and loses_control(observer, control, leaving, successors.get(user, ())):
                    controlled.setdefault(user, []).append(control)
    return controlled


def warn_of_rooms(
    synapse: "Synapse", invocation: "Invocation", users: "Sequence[UserId]", *, suspends: bool
) -> None:
    """Warn of rooms where these accounts are the only local users with control."""
    warn = invocation.warn
    unread: dict[RoomId, SynadminError] = {}
    if invocation.is_watched:
        invocation.draw(f"reading the rooms of {counted(len(users), 'account')}")
    try:
        rooms = rooms_losing_control(synapse, users, unread=unread)
    except SynadminError as error:
        warn(f"warning: it could not be checked which rooms depend on {join_names(users)}: {error}")
        return
    finally:
        invocation.draw("")
    for room_id, failure in islice(unread.items(), 1):
        number = counted(len(unread), "room")
        warn(f"warning: synadmin cannot check who has control of {number} (for '{room_id}': {failure})")
    for user_id, controls in rooms.items():
        offboard = command("user", "offboard", user_id, "--to", "USER", "--then", "nothing")
        how = (
            "Make Room Admin does not work through a suspended account: "
            f"`{offboard}` gives control to another user."
            if suspends
            else "Make Room Admin works through a locked account: you can still regain them."
        )
        warn(
            f"warning: {user_id} is the only user of this server with control of "
            f"{counted(len(controls), 'room')}: {_labels(controls)}. {how}"
        )


def _labels(rooms: "Sequence[RoomControl]") -> str:
    return join_names([control.label for control in rooms], most=_SHOWN)


def refuse_to_lose_control(user_id: "UserId", rooms: "Sequence[RoomControl]") -> "Record":
    """Return the refusal of an account whose rooms would have no local control."""
    offboard = command("user", "offboard", user_id, "--to", "USER")
    return {
        "outcome": "refused",
        "reason": "would-lose-control",
        "message": f"{counted(len(rooms), 'room')} would have no user of this server with control: "
        f"{_labels(rooms)}. `{offboard}` gives control to another user "
        "first; --leave-rooms leaves the rooms as they are.",
        "rooms": [{"room_id": control.view.room_id, "room": control.room} for control in rooms],
    }
