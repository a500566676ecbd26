"""``synadmin control``: keep control of rooms as a file says."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "Commands": {
        "plan": ("plan:plan", "Show the differences from the file, and the steps."),
        "apply": ("apply:apply", "Change the rooms as the file says."),
        "check": ("plan:check", "Check that the rooms are as the file says."),
        "export": ("export:export", "Write a control file from the current state."),
    },
}


@click.group(cls=Group, lazy=_COMMANDS, package=__name__)
def control() -> None:
    """Keep control of rooms as a file says.

    FILE is TOML. It names the rooms, their admins and moderators, and room settings.
    """
