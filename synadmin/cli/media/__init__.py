"""``synadmin media``: what users have uploaded, and the copies of what others have."""

import click

from synadmin.cli.lazy import Group

_READ = "synadmin.cli.media.read"
_QUARANTINE = "synadmin.cli.media.quarantine"
_DELETE = "synadmin.cli.media.delete"
_COMMANDS = {
    "list": (f"{_READ}:list_", "List the media of a room or of a user."),
    "show": (f"{_READ}:show", "Show the details of a media item."),
    "quarantine": (f"{_QUARANTINE}:quarantine", "Make media unavailable without deleting it."),
    "unquarantine": (f"{_QUARANTINE}:unquarantine", "Make quarantined media available again."),
    "quarantine-changes": (
        f"{_READ}:quarantine_changes",
        "List changes of the quarantine, oldest first.",
    ),
    "protect": (f"{_QUARANTINE}:protect", "Protect local media from quarantine."),
    "unprotect": (f"{_QUARANTINE}:unprotect", "Allow the quarantine of local media again."),
    "delete": (f"{_DELETE}:delete", "Delete local media for good."),
    "purge-remote": (f"{_DELETE}:purge_remote", "Delete old cached copies of other servers' media."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def media() -> None:
    """List, quarantine, protect and delete media.

    MEDIA is an item as mxc://example.org/AbCdEf, as example.org/AbCdEf, or as AbCdEf alone where it was
    uploaded to your own server.
    """
