"""``synadmin background-update``: work on the database beside everything else."""

from collections.abc import Mapping
from typing import Any

import click

from synadmin.cli.change import NotAsAskedError, change
from synadmin.cli.confirm import change_options
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command, Group
from synadmin.cli.output import Output, output_options
from synadmin.cli.parameters import PAST_TIME
from synadmin.errors import UsageError

# Repeated from synadmin.api.background_updates, which is not loaded for --help; a test compares them.
JOBS = ("populate_stats_process_rooms", "regenerate_directory", "event_resign")


@click.group("background-update", cls=Group)
def background_update() -> None:
    """Background updates: what Synapse does to its database beside everything else."""


@background_update.command(cls=Command, calls=["background_updates.status"])
@output_options
@pass_invocation
def status(invocation: Invocation, *, output: Output) -> None:
    """Show whether updates may run, and which one does.

    \b
    Examples:
        synadmin background-update status
        synadmin background-update status -o json
    """
    from synadmin.render import Column

    with invocation.synapse() as synapse:
        found = synapse.background_updates.status().as_sent()
    output.write_one(found, [Column("enabled"), Column("current_updates", title="running", value=_running)])


def _running(found: Mapping[str, Any]) -> str:
    updates = found.get("current_updates") or {}
    return (
        "; ".join(
            f"{update['name']} on {database}: {update['total_item_count']} items "
            f"in {update['total_duration_ms'] / 1000:.0f} s"
            for database, update in updates.items()
        )
        or "nothing"
    )


@background_update.command(
    cls=Command, calls=["background_updates.set_enabled", "background_updates.enabled"]
)
@change_options
@output_options
@pass_invocation
def enable(invocation: Invocation, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Let background updates run (again).

    \b
    Examples:
        synadmin background-update enable
    """
    return _set(invocation, enabled=True, dry_run=dry_run, yes=yes, output=output)


@background_update.command(
    cls=Command, calls=["background_updates.set_enabled", "background_updates.enabled"]
)
@change_options
@output_options
@pass_invocation
def disable(invocation: Invocation, *, dry_run: bool, yes: bool, output: Output) -> int:
    """Pause background updates, until they are enabled again or Synapse is restarted.

    \b
    Examples:
        synadmin background-update disable
    """
    return _set(invocation, enabled=False, dry_run=dry_run, yes=yes, output=output)


def _set(invocation: Invocation, *, enabled: bool, dry_run: bool, yes: bool, output: Output) -> int:
    from synadmin.ids import server_name_of
    from synadmin.render import Column

    with invocation.synapse() as synapse:

        def act(_: str) -> Mapping[str, Any]:
            synapse.background_updates.set_enabled(enabled=enabled)
            if synapse.background_updates.enabled().enabled is not enabled:
                message = f"background updates are still {'disabled' if enabled else 'enabled'}"
                raise NotAsAskedError(message)
            return {"enabled": enabled}

        return change(
            invocation,
            synapse,
            [server_name_of(synapse.owner)],
            act,
            what="server_name",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
            columns=[Column("enabled")],
        )


@background_update.command(cls=Command, calls=["background_updates.start_job"])
@click.argument("job", metavar="JOB", type=click.Choice(JOBS))
@click.option("--old-key", metavar="KEY", help="With event_resign: what only this key of ours has signed.")
@click.option(
    "--before", metavar="TIME", type=PAST_TIME, help="With event_resign: only what was sent before."
)
@change_options
@output_options
@pass_invocation
def start(
    invocation: Invocation,
    job: str,
    *,
    old_key: str | None,
    before: int | None,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Start one by hand; `background-update status` shows how far it is.

    populate_stats_process_rooms counts anew what the room list shows, regenerate_directory builds the user
    directory anew, event_resign signs our events again after the signing key was changed.

    \b
    Examples:
        synadmin background-update start regenerate_directory
        synadmin background-update start event_resign --old-key 'ed25519:a_abcd AbCd…' --dry-run
    """
    if job != "event_resign" and (old_key is not None or before is not None):
        message = "--old-key and --before go with event_resign"
        raise UsageError(message)
    with invocation.synapse() as synapse:

        def act(_: str) -> Mapping[str, Any]:
            synapse.background_updates.start_job(job, old_key=old_key, before_ts=before)
            enabled = synapse.background_updates.status().enabled
            waits = "it begins when background updates are enabled again: they are disabled"
            return {"message": None if enabled else waits}

        return change(
            invocation,
            synapse,
            [job],
            act,
            what="job_name",
            question=None,
            dry_run=dry_run,
            yes=yes,
            output=output,
        )
