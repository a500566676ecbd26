"""``synadmin journal``: what was changed on servers from here."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "list": ("synadmin.cli.journal.read:list_", "List the newest runs that changed something."),
    "show": ("synadmin.cli.journal.read:show", "Show the requests of one run."),
    "export": ("synadmin.cli.journal.read:export", "Print the whole journal as JSON, one request a line."),
    "report": (
        "synadmin.cli.journal.report:report",
        "Report who changed which rooms and accounts, and why.",
    ),
    "resume": ("synadmin.cli.journal.resume:resume", "Continue a run that was interrupted."),
    "undo": ("synadmin.cli.journal.undo:undo", "Restore the power levels that a run has changed."),
}


@click.group(cls=Group, lazy=_COMMANDS)
def journal() -> None:
    """Show, resume and undo the changes of earlier runs.

    The journal has every request that changes something: whose token, what, and the answer. The file is
    $XDG_STATE_HOME/synadmin/journal.sqlite3, or the one that SYNADMIN_JOURNAL names.
    """
