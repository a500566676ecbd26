"""``synadmin room``: rooms."""

import click

from synadmin.cli.lazy import Group

_LOOK = "synadmin.cli.room.look"
_COMMANDS = {
    "list": (f"{_LOOK}:list_", "List the rooms the server knows."),
    "show": (f"{_LOOK}:show", "Show what the server knows of a room."),
    "members": (f"{_LOOK}:members", "List who is in a room."),
    "state": (f"{_LOOK}:state", "Show a room's current state."),
    "power": (f"{_LOOK}:power", "Show who can do what in a room."),
    "set-power": ("synadmin.cli.room.levels:set_power", "Change power levels."),
    "demote": ("synadmin.cli.room.levels:demote", "Take power from a user."),
    "make-admin": ("synadmin.cli.room.make_admin:make_admin", "Regain control of a room."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def room() -> None:
    """Rooms: list them, look into them, regain control of them.

    ROOM is a room id (!opaque:example.org, or !opaque alone from room version 12 on) or an alias
    (#club:example.org). Mind the shell: put it in single quotes.
    """
