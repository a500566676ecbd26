"""``synadmin room``: rooms."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "Control": {
        "make-admin": ("make_admin:make_admin", "Regain control of rooms through a local user with power."),
        "power": ("read:power", "Show who can do what in a room."),
        "set-power": ("levels:set_power", "Change power levels in a room."),
        "demote": ("levels:demote", "Lower a user's power level in a room."),
        "transfer": ("transfer:transfer", "Move rooms to an account on another homeserver."),
        "upgrade": ("upgrade:upgrade", "Upgrade rooms to another version, with chosen creators."),
        "replace": ("replace:replace", "Create a new room in place of one that is lost."),
    },
    "Show": {
        "list": ("read:list_", "List the rooms that the server knows."),
        "show": ("read:show", "Show the details of a room."),
        "members": ("read:members", "List the members of a room, also of other servers."),
        "state": ("read:state", "Show the current state of a room."),
        "messages": ("timeline:messages", "List the events of a room, newest first."),
        "context": ("timeline:context", "Show the events before and after an event."),
        "event-at": ("timeline:event_at", "Find the event of a room that is closest to a time."),
        "hierarchy": ("space:hierarchy", "Show a space and its rooms as a tree."),
    },
    "Moderation": {
        "block": ("access:block", "Block rooms: local users cannot join them."),
        "unblock": ("access:unblock", "Unblock rooms: local users can join them again."),
        "delete": ("delete:delete", "Remove all local members from rooms and delete the rooms."),
        "delete-status": ("delete:delete_status", "Show the progress of a room deletion."),
    },
    "Maintenance": {
        "join": ("access:join", "Join local users to a room, or a user to several rooms."),
        "purge-history": ("history:purge_history", "Delete the older events of rooms from the database."),
        "purge-status": ("history:purge_status", "Show the progress of a history purge."),
        "forward-extremities": (
            "extremities:forward_extremities",
            "Show or delete the forward extremities of rooms.",
        ),
    },
}


@click.group(cls=Group, lazy=_COMMANDS, package=__name__)
def room() -> None:
    """Show, change and delete rooms, and regain control of them.

    ROOM is a room id (!opaque:example.org, or !opaque alone from room version 12 on) or an alias
    (#club:example.org). Put it in single quotes: the shell reads ! and # in its own way.
    """
