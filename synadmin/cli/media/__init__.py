"""``synadmin media``: uploads of local users, and cached copies of remote media."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "Commands": {
        "list": ("read:list_", "List the media of a room or of a user."),
        "show": ("read:show", "Show the details of a media item."),
        "quarantine": ("quarantine:quarantine", "Make media unavailable without deleting it."),
        "unquarantine": ("quarantine:unquarantine", "Make quarantined media available again."),
        "quarantine-changes": ("read:quarantine_changes", "List changes of the quarantine, oldest first."),
        "protect": ("quarantine:protect", "Protect local media from quarantine."),
        "unprotect": ("quarantine:unprotect", "Allow the quarantine of local media again."),
        "delete": ("delete:delete", "Delete local media permanently."),
        "purge-remote": ("delete:purge_remote", "Delete old cached copies of other servers' media."),
    },
}


@click.group(cls=Group, lazy=_COMMANDS, package=__name__)
def media() -> None:
    """List, quarantine, protect and delete media.

    MEDIA is an item of media: mxc://example.org/AbCdEf or example.org/AbCdEf. AbCdEf alone is an item that
    was uploaded to your own server.
    """
