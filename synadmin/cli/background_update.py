"""``synadmin background-update``: changes to Synapse's database that run in the background."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from synadmin.api.choices import JOBS
from synadmin.cli.lazy import Group
from synadmin.cli.outcomes import NotAsAskedError, Record, done, unchanged
from synadmin.cli.parameters import PAST_TIME
from synadmin.cli.targets import THIS_SERVER, Kind
from synadmin.cli.verbs import changes, reads
from synadmin.columns import Column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.client import Synapse

_JOBS = Kind("job", "job_name", "JOB")
_ENABLED = (Column("enabled"),)


@click.group("background-update", cls=Group)
def background_update() -> None:
    """Show, pause and start background updates.

    These are changes to Synapse's database that run in the background.
    """


def _running(answer: Mapping[str, Any]) -> str:
    updates = answer.get("current_updates") or {}
    return (
        "; ".join(
            f"{update['name']} on {database}: {update['total_item_count']} items "
            f"in {update['total_duration_ms'] / 1000:.0f} s"
            for database, update in updates.items()
        )
        or "nothing"
    )


@background_update.verb
@reads(
    "background_updates.status",
    columns=(Column("enabled"), Column("current_updates", title="running", value=_running)),
)
def status(synapse: "Synapse") -> object:
    """Show whether background updates run, and which one.

    \b
    Examples:
        synadmin background-update status
        synadmin background-update status -o json
    """
    return synapse.background_updates.status()


@background_update.verb
@changes(THIS_SERVER, "background_updates.set_enabled", "background_updates.enabled", columns=_ENABLED)
def enable(synapse: "Synapse") -> Record:
    """Enable background updates.

    \b
    Examples:
        synadmin background-update enable
    """
    return _set_enabled(synapse, enabled=True)


@background_update.verb
@changes(THIS_SERVER, "background_updates.set_enabled", "background_updates.enabled", columns=_ENABLED)
def disable(synapse: "Synapse") -> Record:
    """Pause background updates.

    They stay paused until you enable them again or restart Synapse.

    \b
    Examples:
        synadmin background-update disable
    """
    return _set_enabled(synapse, enabled=False)


def _set_enabled(synapse: "Synapse", *, enabled: bool) -> Record:
    state = "enabled" if enabled else "disabled"
    if synapse.background_updates.enabled().enabled is enabled:
        return unchanged(f"already {state}", enabled=enabled)
    synapse.background_updates.set_enabled(enabled=enabled)
    if synapse.background_updates.enabled().enabled is not enabled:
        raise NotAsAskedError(f"background updates are still {'disabled' if enabled else 'enabled'}")
    return done(state, enabled=enabled)


@background_update.verb
@changes(_JOBS, "background_updates.start_job", many=False)
@click.argument("job_name", metavar="JOB", type=click.Choice(JOBS))
@click.option("--old-key", metavar="KEY", help="With event_resign: only events signed by this old key.")
@click.option(
    "--before", metavar="TIME", type=PAST_TIME, help="With event_resign: only events sent before this."
)
def start(synapse: "Synapse", job_name: str, *, old_key: str | None, before: int | None) -> Record:
    """Start a background update by hand.

    `synadmin background-update status` shows its progress.

    populate_stats_process_rooms recalculates the statistics of the room list. regenerate_directory rebuilds
    the user directory. event_resign signs local events again after a change of the signing key.

    \b
    Examples:
        synadmin background-update start regenerate_directory
        synadmin background-update start event_resign \\
            --old-key 'ed25519:a_abcd AbCd…' --dry-run
    """
    synapse.background_updates.start_job(job_name, old_key=old_key, before_ts=before)
    enabled = synapse.background_updates.status().enabled
    waits = "background updates are disabled: it starts when they are enabled"
    return {"message": None if enabled else waits}


@start.check
def _(*, job_name: str, old_key: str | None, before: int | None) -> None:
    if job_name != "event_resign" and (old_key is not None or before is not None):
        raise UsageError("--old-key and --before go with event_resign")
