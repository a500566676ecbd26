"""``synadmin journal``: the changes of earlier runs."""

import click

from synadmin.cli.lazy import Group

_COMMANDS = {
    "Commands": {
        "list": ("read:list_", "List the newest runs that changed something."),
        "show": ("read:show", "Show the requests of one run."),
        "export": ("read:export", "Print the whole journal as JSON, one request a line."),
        "report": ("report:report", "Report who changed which rooms and accounts, and why."),
        "resume": ("resume:resume", "Continue a run that was interrupted."),
        "undo": ("undo:undo", "Restore the power levels that a run has changed."),
    },
}


@click.group(cls=Group, lazy=_COMMANDS, package=__name__)
def journal() -> None:
    """Show, resume and undo the changes of earlier runs.

    The journal has every request that changes something, with the token's owner and the answer. The file is
    $XDG_STATE_HOME/synadmin/journal.sqlite3, or the one that SYNADMIN_JOURNAL names.
    """
