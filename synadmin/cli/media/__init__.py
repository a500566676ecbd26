"""``synadmin media``: what users have uploaded, and the copies of what others have."""

import click

from synadmin.cli.lazy import Group

_LOOK = "synadmin.cli.media.look"
_QUARANTINE = "synadmin.cli.media.quarantine"
_DELETE = "synadmin.cli.media.delete"
_COMMANDS = {
    "list": (f"{_LOOK}:list_", "List the media of a room or of a user."),
    "show": (f"{_LOOK}:show", "Show what the server knows of an item."),
    "quarantine": (f"{_QUARANTINE}:quarantine", "Make media unavailable, without deleting it."),
    "unquarantine": (f"{_QUARANTINE}:unquarantine", "Make media available again."),
    "quarantine-changes": (
        f"{_LOOK}:quarantine_changes",
        "List what was quarantined, and what no longer is.",
    ),
    "protect": (f"{_QUARANTINE}:protect", "Keep media out of quarantine."),
    "unprotect": (f"{_QUARANTINE}:unprotect", "Let media be quarantined again."),
    "delete": (f"{_DELETE}:delete", "Delete media that was uploaded here."),
    "purge-remote": (f"{_DELETE}:purge_remote", "Remove cached copies of other servers' media."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def media() -> None:
    """Media: list, quarantine, protect, delete.

    MEDIA is an item as mxc://example.org/AbCdEf, as example.org/AbCdEf, or as AbCdEf alone where it was
    uploaded to your own server.
    """
