"""``synadmin room list|show|members|state|power``: show rooms."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import ROOM_ORDERS
from synadmin.cli.known_ids import COMPLETE
from synadmin.cli.output import Output
from synadmin.cli.parameters import sort_option
from synadmin.cli.targets import counted
from synadmin.cli.verbs import Shown, reads
from synadmin.columns import Column, time_column
from synadmin.ids import RoomId, server_name_of
from synadmin.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synadmin.api.choices import RoomOrder
    from synadmin.api.rooms import Room
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse


_FIRST = ("room_id", "name", "canonical_alias", "controllers", "joined_members", "joined_local_members")
_TITLES = {
    "canonical_alias": "alias",
    "joined_members": "members",
    "joined_local_members": "local members",
    "join_rules": "join rule",
    "version": "room version",
    "public": "in room directory",
    "joined_local_devices": "local devices",
}
_DESCENDING = frozenset({"joined_members", "joined_local_members", "version", "state_events"})
"""Synapse sorts by these from the largest to the smallest."""


_LIST_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("name", breakable=True),
    Column("canonical_alias", title="alias", shown=False),
    Column("joined_members", title="members", right=True),
    Column("joined_local_members", title="local", right=True),
    # Not in the table by default, so that the room's id and name are not cut off.
    Column("version", right=True, shown=False),
    Column("join_rules", title="join rule", shown=False),
    Column("creator", shown=False),
    Column("encryption", shown=False),
    Column("federatable", shown=False),
    Column("public", shown=False),
    Column("guest_access", shown=False),
    Column("history_visibility", shown=False),
    Column("state_events", right=True, shown=False),
    Column("room_type", shown=False),
    Column("controllers", shown=False),
)


@reads("rooms.list", name="list", columns=_LIST_COLUMNS, empty="No room matches.")
@click.option("--search", metavar="TEXT", help="Part of a name or main alias, or a whole room id.")
@click.option("--public/--not-public", default=None, help="Only rooms (not) in the room directory.")
@click.option("--empty/--not-empty", default=None, help="Only rooms without (with) joined members.")
@click.option("--encrypted", is_flag=True, help="Only encrypted rooms.")
@click.option("--no-local-members", is_flag=True, help="Only rooms that no local user is joined to.")
@click.option(
    "--member",
    metavar="USER",
    shell_complete=COMPLETE["user_id"],
    help="Only rooms that this user is joined to.",
)
@sort_option(ROOM_ORDERS, default="name", descending=_DESCENDING)
def list_(
    synapse: "Synapse",
    *,
    filters: "dict[str, Any]",
    encrypted: bool,
    no_local_members: bool,
    member: str | None,
    sort: tuple["RoomOrder | None", bool],
    limit: int | None,
    output: Output,
    invocation: "Invocation",
) -> object:
    """List the rooms that the server knows.

    The list comes from the server's statistics. --no-local-members also reads the member lists of the rooms
    for which the statistics count no local user. --member reads the memberships of the user.

    --columns room_id,name,controllers shows the local users who have control: three requests a room.
    `synadmin audit rooms` finds the rooms without control.

    \b
    Examples:
        synadmin room list --search chess
        synadmin room list --member alice --encrypted
        synadmin room list --no-local-members -o name
        synadmin room list --columns room_id,name,controllers --limit 20
    """
    shows_control = "controllers" in (output.names or ())
    if member is None and not (encrypted or no_local_members or shows_control):
        return synapse.rooms.list(**filters, order_by=sort[0], reverse=sort[1])
    from synadmin.cli.room import selection

    at_once = invocation.settings.concurrency
    rooms: Iterable[Room]
    if member is None:
        rooms = synapse.rooms.list(**filters, order_by=sort[0], reverse=sort[1])
    else:
        field = sort[0] or "name"
        rooms = selection.rooms_of_member(synapse, member, **filters, at_once=at_once)
        rooms = selection.in_order(rooms, field, descending=(field in _DESCENDING) != sort[1])
    if encrypted:
        rooms = (room for room in rooms if room.encryption is not None)
    if no_local_members:
        rooms = selection.without_local_members(synapse, rooms, at_once=at_once)
    if shows_control:
        return selection.with_control(synapse, islice(rooms, limit), at_once=at_once)
    return (room.as_sent() for room in rooms)


@list_.check
def _(*, search: str | None, public: bool | None, empty: bool | None) -> dict[str, Any]:
    return {"filters": {"search": search, "public": public, "empty": empty}}


@reads("rooms.get", "rooms.block_status")
def show(synapse: "Synapse", room_id: RoomId) -> object:
    """Show the details of a room.

    The details include the local users with control of the room.

    \b
    Examples:
        synadmin room show '#club:example.org'
        synadmin room show '!abcdef:example.org' -o json
    """
    from synadmin.cli.room.selection import controllers_of

    details = synapse.rooms.get(room_id).as_sent()
    block = synapse.rooms.block_status(room_id)
    details |= {"blocked": block.block, "blocked_by": block.user_id}
    details["controllers"] = controllers_of(synapse, room_id)
    names = [*(name for name in _FIRST if name in details), *(name for name in details if name not in _FIRST)]
    return Shown(details, [Column(name, _TITLES.get(name)) for name in names])


@reads(
    "rooms.members",
    columns=(Column("user_id", title="user", whole=True), Column("local")),
    empty="The room has no members.",
)
def members(synapse: "Synapse", room_id: RoomId) -> object:
    """List the members of a room, also of other servers.

    \b
    Examples:
        synadmin room members '#club:example.org'
        synadmin room members '!abcdef:example.org' -o csv
    """
    joined = synapse.rooms.members(room_id).members
    home = server_name_of(synapse.owner)
    return ({"user_id": user, "local": server_name_of(user) == home} for user in sorted(joined))


@reads(
    "rooms.state",
    columns=(
        Column("type"),
        Column("state_key", title="key"),
        Column("sender"),
        time_column("origin_server_ts", "time"),
        Column("content"),
        Column("event_id", shown=False),
    ),
    empty="No such state: this server may no longer be in the room.",
)
@click.option("--type", "event_type", metavar="TYPE", help="Only events of this type, such as m.room.name.")
def state(synapse: "Synapse", room_id: RoomId, *, event_type: str | None) -> object:
    """Show the current state of a room.

    Without --type, and with m.room.member, the answer grows with the room.

    \b
    Examples:
        synadmin room state '#club:example.org' --type m.room.power_levels -o json
        synadmin room state '!abcdef:example.org' --columns type,state_key,sender
    """
    return synapse.rooms.state(room_id, type=event_type).as_sent()["state"]


_POWER_COLUMNS = (
    Column("user_id", title="user", whole=True),
    Column("level", right=True),
    Column("membership"),
    Column("account"),
    Column("local"),
)

_NEEDED_COLUMNS = (Column("level", title="level needed", right=True), Column("actions"))


@reads(columns=_POWER_COLUMNS)
def power(synapse: "Synapse", room_id: RoomId, *, output: Output) -> object:
    """Show who can do what in a room.

    Shows levels, memberships, accounts, and the level that each action needs. In a room with more than 100
    local users with power, the table shows the accounts of the first seven who are joined; -o json and
    -o csv show all of them, one request each.

    \b
    Examples:
        synadmin room power '#club:example.org'
        synadmin room power '!abcdef:example.org' -o json
    """
    from synadmin.recovery.room_power import power_of

    with synapse.fast() as fast:
        record = power_of(fast, room_id, overview=output.for_people)
    if output.for_people:
        _explain_power(record, output)
        return None
    return record["users"] if output.form == "csv" else Shown(record, ())


def _explain_power(record: dict[str, Any], output: Output) -> None:
    from synadmin.recovery.room_power import NOT_ASKED

    output.write(record["users"], _POWER_COLUMNS)
    if not record["users"]:
        click.echo("No user has a separate power level.")
    not_asked = sum(user["account"] == NOT_ASKED for user in record["users"])
    if not_asked:
        click.echo(f"\nThe accounts of {counted(not_asked, 'user')} were not read: -o json shows them.")
    click.echo(f"\nAll other users have level {record['users_default']}.\n")
    by_level: dict[int, list[str]] = {}
    for what, level in record["abilities"].items():
        by_level.setdefault(level, []).append(what)
    needed = ({"level": level, "actions": ", ".join(by_level[level])} for level in sorted(by_level)[::-1])
    Output(output.form, None).write(needed, _NEEDED_COLUMNS)
    creators = record["creators"] if record["creators_stand_above"] else []
    if creators:
        click.echo(safe_text(f"Creators are above every level in room version {record['version']}."))
