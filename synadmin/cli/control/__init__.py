"""``synadmin control``: one file says who controls which rooms."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "plan": ("synadmin.cli.control.plan:plan", "Show what is not as the file says, and the steps."),
    "apply": ("synadmin.cli.control.apply:apply", "Bring the rooms to what the file says."),
    "check": ("synadmin.cli.control.plan:check", "Check that the rooms are as the file says."),
    "export": ("synadmin.cli.control.export:export", "Write the file for what holds now."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def control() -> None:
    """Keep control of rooms as a file says.

    FILE is TOML. It names the rooms, their admins and moderators, and room settings.
    """
