"""``synadmin room upgrade``: upgrade rooms to another version, with chosen creators."""

from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.confirm import allow_option, announce_option
from synadmin.cli.invocation import Invocation
from synadmin.cli.outcomes import Record
from synadmin.cli.targets import ROOMS, any_user_id_of, counted, join_names, unfit_owner
from synadmin.cli.verbs import ChosenTargets, changes
from synadmin.columns import Column
from synadmin.errors import NotFoundError, RefusedError, UsageError
from synadmin.ids import RoomId, UserId, server_name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from synadmin.client import Synapse
    from synadmin.recovery.parent_spaces import SpaceIndex
    from synadmin.recovery.upgrade_plan import RoomUpgrade, UpgradeOptions

_COLUMNS = (
    Column("new_room_id", title="new_room", whole=True),
    Column("version"),
    Column("creators"),
    Column("reason", shown=False),
    Column("members.before", title="members_before", shown=False),
    Column("members.after", title="members_after", shown=False),
    Column("spaces", shown=False),
    Column("steps", shown=False),
    Column("room.name", title="name", shown=False),
)


@changes(ROOMS, does="Upgrade", columns=_COLUMNS)
@click.option("--to-version", "version", metavar="V", help="The new room version [default: the server's].")
@click.option(
    "--creator",
    "creators",
    multiple=True,
    metavar="USER",
    help="Make this user a creator, too (version 12 or later); repeatable.",
)
@click.option("--space", metavar="SPACE", help="A space and all rooms in it; the rooms first.")
@allow_option("Act as a local user with control for a short time.")
@announce_option("its creator")
def upgrade(
    synapse: "Synapse",
    room_id: RoomId,
    *,
    upgrade_options: "UpgradeOptions",
    spaces: "SpaceIndex",
    announce: str | None,
    invocation: Invocation,
) -> Record:
    """Upgrade rooms to another version, with chosen creators.

    A new room replaces the old one. A local user who may close the old room makes it: you, or with
    --allow impersonate another one, preferably a --creator. This user is a creator of the new room. From
    version 12 on the creators own a room, and you cannot add one later. Name a second one with --creator.

    Synapse copies levels, join rule and bans, and moves the aliases. Then the new room takes the old one's
    place in its spaces. Local members join a public room; they are invited to any other room. The result is
    checked. Run it again to finish an interrupted upgrade.

    \b
    Examples:
        synadmin room upgrade '#club:example.org' --to-version 12 \\
            --creator alice --creator bob --dry-run
        synadmin room upgrade --space '#club:example.org' --allow impersonate
    """
    from synadmin.recovery.upgrade_plan import plan_upgrade
    from synadmin.recovery.workspace import Recovery

    with Recovery(synapse, invocation.journal, invocation.warn) as recovery:
        planned = plan_upgrade(recovery.observer, room_id, upgrade_options, spaces)
        if planned.outcome == "planned":
            _say_plan(invocation, planned)
        if planned.outcome != "planned" or synapse.transport.is_dry_run:
            return planned.as_record()
        from synadmin.recovery.upgrade_room import Upgrade

        recovery.revert_crashed_runs()
        return Upgrade(recovery, planned, upgrade_options.allow, announce).carry_out().as_record()


@upgrade.check
def _(*, room_id: tuple[str, ...], source: str | None, space: str | None) -> None:
    if not room_id and source is None and space is None:
        raise UsageError("name a room, or give --space or --from")


@upgrade.select
def _(
    synapse: "Synapse",
    *,
    room_id: tuple[str, ...],
    source: str | None,
    space: str | None,
    invocation: Invocation,
) -> ChosenTargets | None:
    if space is None:
        return None
    from synadmin.cli.room.selection import rooms_of_space

    in_space = rooms_of_space(invocation, synapse, space)
    named = ROOMS.read(room_id, source) if room_id or source else []
    return ChosenTargets(ROOMS, [*named, *in_space])


@upgrade.guard
def _(
    synapse: "Synapse",
    _rooms: "list[str]",
    *,
    version: str | None,
    creators: tuple[str, ...],
    allow: str | None,
) -> dict[str, Any]:
    from synadmin.power.levels import RoomVersion
    from synadmin.power.room import Reach
    from synadmin.recovery.parent_spaces import SpaceIndex
    from synadmin.recovery.upgrade_plan import UpgradeOptions

    versions = synapse.client_server.capabilities().capabilities["m.room_versions"]
    known = versions["available"]
    chosen = version or versions["default"]
    if version is None and creators and not RoomVersion.of(chosen).creator_power:
        owned = [
            name for name, state in known.items() if state == "stable" and RoomVersion.of(name).creator_power
        ]
        chosen = owned[-1] if owned else chosen
    if chosen not in known:
        raise UsageError(f"this server does not know room version {chosen!a}; it knows {', '.join(known)}")
    if creators and not RoomVersion.of(chosen).creator_power:
        raise UsageError(f"--creator needs room version 12 or later, not {chosen}")
    users = tuple(dict.fromkeys(any_user_id_of(synapse, name) for name in creators))
    for user in users:
        _require_active(synapse, user)
    reach = Reach.of(allow)
    options = UpgradeOptions(chosen, users, explicit=version is not None, allow=reach)
    return {"upgrade_options": options, "spaces": SpaceIndex(synapse)}


@upgrade.order
def _(synapse: "Synapse") -> "Callable[[str], bool]":
    def is_space(room: str) -> bool:
        try:
            return synapse.rooms.get(RoomId(room)).room_type == "m.space"
        except NotFoundError:
            return False

    return is_space


@upgrade.question
def _(_: "Synapse", rooms: list[str], *, upgrade_options: "UpgradeOptions") -> str:
    return (
        f"{counted(len(rooms), 'room')} will be closed and replaced by "
        f"{'a new room' if len(rooms) == 1 else 'new rooms'} of version {upgrade_options.version}: "
        f"{join_names(rooms)}. This cannot be undone. Continue?"
    )


def _require_active(synapse: "Synapse", user: UserId) -> None:
    if server_name_of(user) != server_name_of(synapse.owner):
        return
    state = unfit_owner(synapse, user)
    if state is not None:
        message = f"{user} is {state} and cannot own a room"
        raise RefusedError(message, hint="name an active account with --creator")


def _say_plan(invocation: Invocation, planned: "RoomUpgrade") -> None:
    lines = [f"{planned.control.label}: {planned.message}"]
    lines += [f"  {number}. {step.detail}" for number, step in enumerate(planned.steps, 1)]
    for line in lines:
        invocation.say(line)
