"""Find a run in the journal, to resume or undo it."""

from typing import TYPE_CHECKING

from synadmin.cli.invocation import Invocation
from synadmin.errors import NoSuchRunError, RefusedError, SettingsError, UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from synadmin.client import Synapse
    from synadmin.journal import RunRecord
    from synadmin.journal.store import Store


def open_journal(invocation: Invocation) -> "AbstractContextManager[Store]":
    """Open the journal for reading, and print its warnings."""
    from synadmin.journal import reading

    return reading(invocation.settings.journal, warn=invocation.say)


def find_run(store: "Store", run: str) -> "RunRecord":
    """Return the run with a name, or with a name that ends in the text.

    Raises:
        NoSuchRunError: the journal has no such run.
        UsageError: several names end in the text.
    """
    record = store.run(run)
    if record is None:
        ending = store.runs_ending_in(run)
        if len(ending) > 1:
            names = ", ".join(other.run for other in ending)
            raise UsageError(f"several runs end in {run!a}: {names}")
        record = ending[0] if ending else None
    if record is None:
        message = "the journal is empty" if run == "last" else f"the journal has no run {run!a}"
        raise NoSuchRunError(message, hint="`synadmin journal list` lists its runs")
    return record


def require_ended(invocation: Invocation, synapse: "Synapse", record: "RunRecord") -> None:
    """Refuse a run of another server, or a run that has not ended."""
    here, there = synapse.transport.homeserver, record.server
    if here != there:
        message = f"the run {record.run} was on {there}, and {here} is configured"
        raise SettingsError(message, hint=f"--profile, or --homeserver {there}, chooses it")
    if invocation.journal.is_alive(record.run):
        message = f"the run {record.run} is still running"
        raise RefusedError(message, hint="wait until it has ended, or end it with Ctrl-C")
