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
    "messages": ("synadmin.cli.room.timeline:messages", "List what was said and done in a room."),
    "context": ("synadmin.cli.room.timeline:context", "Show what came before and after an event."),
    "event-at": ("synadmin.cli.room.timeline:event_at", "Find the event nearest to a moment."),
    "hierarchy": ("synadmin.cli.room.space:hierarchy", "Show a space and what is in it, as a tree."),
    "transfer": ("synadmin.cli.room.transfer:transfer", "Move rooms to an account on another homeserver."),
    "replace": (
        "synadmin.cli.room.replace:replace",
        "Make a new room in place of a lost one: the last resort.",
    ),
    "make-admin": ("synadmin.cli.room.make_admin:make_admin", "Regain control of a room."),
    "join": ("synadmin.cli.room.access:join", "Make users of this server join a room."),
    "block": ("synadmin.cli.room.access:block", "Let no user of this server into a room."),
    "unblock": ("synadmin.cli.room.access:unblock", "Lift the block of a room."),
    "delete": ("synadmin.cli.room.delete:delete", "Put everybody out of a room and remove it."),
    "delete-status": ("synadmin.cli.room.delete:delete_status", "Tell how far a deletion is."),
    "purge-history": ("synadmin.cli.room.history:purge_history", "Remove a room's older events."),
    "purge-status": ("synadmin.cli.room.history:purge_status", "Tell how far a purge is."),
    "forward-extremities": (
        "synadmin.cli.room.extremities:forward_extremities",
        "Show the ends of a room's history, or tidy them.",
    ),
}


@click.group(cls=Group, lazy=_COMMANDS)
def room() -> None:
    """Rooms: list them, look into them, regain control of them.

    ROOM is a room id (!opaque:example.org, or !opaque alone from room version 12 on) or an alias
    (#club:example.org). Mind the shell: put it in single quotes.
    """
