"""``synadmin room``: rooms."""

import click

from synadmin.cli.lazy import Group

_READ = "synadmin.cli.room.read"
_COMMANDS = {
    "list": (f"{_READ}:list_", "List the rooms that the server knows."),
    "show": (f"{_READ}:show", "Show the details of a room."),
    "members": (f"{_READ}:members", "List the members of a room, also of other servers."),
    "state": (f"{_READ}:state", "Show the current state of a room."),
    "power": (f"{_READ}:power", "Show who can do what in a room."),
    "set-power": ("synadmin.cli.room.levels:set_power", "Change power levels in a room."),
    "demote": ("synadmin.cli.room.levels:demote", "Lower a user's power level in a room."),
    "messages": ("synadmin.cli.room.timeline:messages", "List the events of a room, newest first."),
    "context": ("synadmin.cli.room.timeline:context", "Show the events before and after an event."),
    "event-at": (
        "synadmin.cli.room.timeline:event_at",
        "Find the event of a room that is closest to a time.",
    ),
    "hierarchy": ("synadmin.cli.room.space:hierarchy", "Show a space and its rooms as a tree."),
    "transfer": ("synadmin.cli.room.transfer:transfer", "Move rooms to an account on another homeserver."),
    "upgrade": (
        "synadmin.cli.room.upgrade:upgrade",
        "Upgrade rooms to another version, with chosen creators.",
    ),
    "replace": (
        "synadmin.cli.room.replace:replace",
        "Create a new room in place of one that is lost.",
    ),
    "make-admin": (
        "synadmin.cli.room.make_admin:make_admin",
        "Regain control of rooms through a local user with power.",
    ),
    "join": ("synadmin.cli.room.access:join", "Join local users to a room, or a user to several rooms."),
    "block": ("synadmin.cli.room.access:block", "Block rooms: local users cannot join them."),
    "unblock": ("synadmin.cli.room.access:unblock", "Unblock rooms: local users can join them again."),
    "delete": (
        "synadmin.cli.room.delete:delete",
        "Remove all local members from rooms and delete the rooms.",
    ),
    "delete-status": ("synadmin.cli.room.delete:delete_status", "Show the progress of a room deletion."),
    "purge-history": (
        "synadmin.cli.room.history:purge_history",
        "Delete the older events of rooms from the database.",
    ),
    "purge-status": ("synadmin.cli.room.history:purge_status", "Show the progress of a history purge."),
    "forward-extremities": (
        "synadmin.cli.room.extremities:forward_extremities",
        "Show or delete the forward extremities of rooms.",
    ),
}


_SECTIONS = {
    "Control": ("make-admin", "power", "set-power", "demote", "transfer", "upgrade", "replace"),
    "Show": ("list", "show", "members", "state", "messages", "context", "event-at", "hierarchy"),
    "Moderation": ("block", "unblock", "delete", "delete-status"),
    "Maintenance": ("join", "purge-history", "purge-status", "forward-extremities"),
}


@click.group(cls=Group, lazy=_COMMANDS, sections=_SECTIONS)
def room() -> None:
    """Show, change and delete rooms, and regain control of them.

    ROOM is a room id (!opaque:example.org, or !opaque alone from room version 12 on) or an alias
    (#club:example.org). Put it in single quotes: the shell reads ! and # in its own way.
    """
