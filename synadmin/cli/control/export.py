"""``synadmin control export``: write a control file from the current state of the rooms."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synadmin.cli.confirm import confirm
from synadmin.cli.exit_codes import EXIT_DONE
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.targets import counted, room_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.api.rooms import Room
    from synadmin.client import Synapse


@click.command(cls=Command, calls=("rooms.list", "rooms.state"))
@click.argument("file", metavar="FILE|-")
@click.option("--space", metavar="SPACE", help="Only this space and all rooms in it.")
@click.option("--settings", is_flag=True, help="Write the settings of the rooms, too.")
@click.option("-y", "--yes", is_flag=True, help="Replace an existing file without asking.")
@pass_invocation
def export(invocation: Invocation, *, file: str, space: str | None, settings: bool, yes: bool) -> int:
    """Write a control file from the current state.

    Writes the joined local users with control and the moderators of every room that a user of this server
    controls. A plan of the new file is empty. Rooms without local control are listed in comments.

    Your control file is usually shorter: name teams, and match rooms by space or alias.

    \b
    Examples:
        synadmin control export control.toml
        synadmin control export - --space '#club:example.org' --settings
    """
    from synadmin.control.export import controls, text
    from synadmin.files import replace_file
    from synadmin.library.audit import prefetching

    path = Path(file)
    if file != "-" and path.exists():
        confirm(invocation, f"{file} exists. Replace it?", yes=yes)
    with (
        invocation.synapse() as synapse,
        prefetching(synapse, invocation.settings.concurrency) as prefetcher,
    ):
        rooms = synapse.rooms.list() if space is None else _rooms_in_space(synapse, space)
        exported = list(controls(prefetcher, rooms, settings=settings))
    written = text(exported, now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    if file == "-":
        sys.stdout.write(written)
    else:
        replace_file(path, written, mode=0o644)
    controlled = sum(bool(room.admins) for room in exported)
    invocation.say(
        f"{counted(controlled, 'room')} written, {len(exported) - controlled} without local control."
    )
    return EXIT_DONE


def _rooms_in_space(synapse: "Synapse", space: str) -> "Iterator[Room]":
    from synadmin.recovery.rooms_in_space import rooms_in_space

    return (
        synapse.rooms.get(room_id) for room_id in rooms_in_space(synapse, room_id_of(synapse, space)).rooms
    )
