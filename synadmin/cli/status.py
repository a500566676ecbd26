"""``synadmin status``: show the state of one homeserver, or of those of several profiles."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.exit_codes import EXIT_DONE, exit_code
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output, output_options
from synadmin.cli.servers import at_each, common_code, file_of_profile, invocations, profiles_option
from synadmin.columns import Column, relative_time, time_of
from synadmin.errors import MatrixError, NotSupportedError, RefusedError, SettingsError, SynadminError
from synadmin.ids import server_name_of
from synadmin.text import command, option_words

if TYPE_CHECKING:
    from synadmin.client import Synapse

_COLUMNS = (
    Column("profile", whole=True),
    Column("server_name", title="server", whole=True),
    Column("homeserver", shown=False),
    Column("version"),
    Column("users", right=True),
    Column("rooms", right=True),
    Column("without_control", right=True),
    Column("audited_at", shown=False, terminal=relative_time),
    Column("token_expires_at", title="token ends", terminal=relative_time),
    Column("open_restorations", right=True),
    Column("error"),
)
_SHOWN_WHERE_KNOWN = frozenset({"token_expires_at", "open_restorations", "error"})


@click.command(cls=Command)
@profiles_option
@click.option(
    "--baseline",
    "baseline_file",
    metavar="FILE",
    help="The baseline of the audits [default: that of `audit print-cron`].",
)
@output_options
@pass_invocation
def status(invocation: Invocation, *, profiles: str | None, baseline_file: str | None, output: Output) -> int:
    """Show the state of a homeserver, or of several.

    Shows a line for each server: name, version of Synapse, accounts that are not deactivated, rooms, rooms
    without control in the last audit, expiry of the token, temporary changes that are not yet reverted. A
    server that does not answer has a line with the error. "-" means that a value is not known. The table
    shows expiry, temporary changes and errors only if there are any.

    \b
    Examples:
        synadmin status
        synadmin status --profiles all
        synadmin status --profiles club,school -o json

    Exit codes: 0 every server answered; 1 a server did not. If all servers fail for the same reason, the code
    of that error: 3 the token is not a server admin's.
    """
    servers = [invocation] if profiles is None else invocations(invocation, profiles)
    baseline = _baseline(baseline_file)

    def look(server: Invocation) -> tuple[dict[str, Any], int]:
        path = baseline if profiles is None else file_of_profile(baseline, server.profile or "")
        return _server_record(server, path)

    looked = list(at_each(invocation, look, servers))
    records = [record for record, _ in looked]
    output.write(records, _columns(records, output))
    if output.for_people and any(record["audited_at"] is None and not record["error"] for record in records):
        invocation.say(
            f"hint: `{_audit_command(invocation, profiles, baseline)}` finds the rooms without control"
        )
    codes = [code for _, code in looked]
    return EXIT_DONE if set(codes) == {EXIT_DONE} else common_code(codes)


def _columns(records: Sequence[dict[str, Any]], output: Output) -> list[Column]:
    """Return the columns; for a person, some are hidden if they are empty for every server."""
    if not output.for_people:
        return [*_COLUMNS]
    empty = {name for name in _SHOWN_WHERE_KNOWN if not any(record[name] for record in records)}
    return [column._replace(shown=column.shown and column.name not in empty) for column in _COLUMNS]


def _audit_command(invocation: Invocation, profiles: str | None, baseline: Path) -> str:
    """Return the audit command that updates the baseline of this status."""
    profile = invocation.profile if profiles is None else None
    options = option_words(baseline=baseline, update_baseline=True, profiles=profiles, profile=profile)
    return command("audit", "rooms", *options)


def _baseline(file: str | None) -> Path:
    from synadmin.settings import state_directory

    return state_directory() / "audit.json" if file is None else Path(file)


def _server_record(server: Invocation, baseline: Path) -> tuple[dict[str, Any], int]:
    """Return the record of a server, with all values that could be read, and its exit code."""
    record: dict[str, Any] = {column.name: None for column in _COLUMNS}
    record["profile"] = server.profile
    try:
        record["profile"] = server.settings.profile
        record["homeserver"] = server.settings.homeserver
        with server.synapse() as synapse:
            record["homeserver"] = synapse.transport.homeserver
            record["open_restorations"] = _open_restorations(server, synapse)
            _read_values(synapse, record)
            _add_last_audit(record, baseline)
            record["token_expires_at"] = _end_of_token(server, synapse)
    except SynadminError as error:
        if isinstance(error, SettingsError) and not server.profile_alone:
            raise  # no server is configured
        return {**record, "error": str(error)}, exit_code(error)
    return record, EXIT_DONE


def _read_values(synapse: "Synapse", record: dict[str, Any]) -> None:
    record["version"] = synapse.server.version().server_version
    record["server_name"] = server_name_of(synapse.owner)
    record["rooms"] = synapse.rooms.list().total
    try:
        record["users"] = synapse.users.list(deactivated=False, locked=True).total
    except NotSupportedError:
        # Synapse before 1.103.
        record["users"] = synapse.users.list_v2(locked=True).total


def _end_of_token(server: Invocation, synapse: "Synapse") -> str | None:
    """Return the expiry of a personal token of MAS; None for other tokens: a client cannot see it."""
    from synadmin.settings import MAS_SESSION

    session = server.settings.values.get(MAS_SESSION)
    if session is None or not server.settings.token_in_profile or synapse.mas is None:
        return None
    try:
        synapse.mas.require()
        return synapse.mas.personal_sessions.get(session).attributes.expires_at
    except (MatrixError, RefusedError):
        return None


def _open_restorations(server: Invocation, synapse: "Synapse") -> int:
    """Count the temporary changes on a server that no active run will revert."""
    from synadmin.journal import unrestored

    entries = unrestored(server.settings.journal, synapse.transport.homeserver)
    return sum(not server.journal.is_alive(entry["run"]) for entry in entries)


def _add_last_audit(record: dict[str, Any], path: Path) -> None:
    """Add the number of rooms without local control in the last audit, if there was one."""
    from synadmin.audit.baseline import read
    from synadmin.audit.rules import no_local_control

    baseline = read(path, may_be_missing=True)
    ran = baseline.ran.get(no_local_control.ID)
    if baseline.server_name == record["server_name"] and ran is not None:
        record["without_control"] = sum(
            finding.rule == no_local_control.ID for finding in baseline.findings.values()
        )
        record["audited_at"] = time_of(ran)
