"""``synadmin audit --profiles``: audit several servers at once, with one report."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synadmin.cli.audit.report import incompleteness, say_nothing_new, write
from synadmin.cli.audit.run import (
    Options,
    audit_server,
    exclusive,
    exit_code,
    room_to_notify,
    rules_and_config,
)
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_FOUND
from synadmin.cli.exit_codes import exit_code as code_of
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.cli.servers import at_each, common_code, invocations
from synadmin.errors import RefusedError, SettingsError, SynadminError, UsageError

if TYPE_CHECKING:
    from synadmin.audit.report import ServerReport
    from synadmin.audit.runner import AuditResult
    from synadmin.client import Synapse
    from synadmin.ids import RoomId


@dataclass(frozen=True)
class _Audited:
    """The result of the audit of one server.

    Attributes:
        outcome: the result of the audit; None where it could not run.
        code: the exit code for this server.
    """

    report: "ServerReport"
    options: Options
    outcome: "AuditResult | None"
    code: int


def audit_profiles(invocation: Invocation, options: Options, output: Output) -> int:
    """Audit the servers of the profiles that ``options`` name, and write one report."""
    from synadmin.audit.notify import post
    from synadmin.audit.report.table import summary_of_all
    from synadmin.parallel import on_one_core

    servers = _first_profiles(invocation, invocations(invocation, options.profiles or ""))
    for server in servers:
        rules_and_config(options.at_profile(server.profile or ""))  # an error in them is reported once
    until = options.until()
    # The locks are held until the baselines are written.
    with ExitStack() as locks, on_one_core():
        notified = None if options.notify is None else _notified(servers, options.notify, locks)

        def audit(server: Invocation) -> _Audited:
            return _audit(server, options, locks, until=until, count=output.form == "html")

        audited = list(at_each(invocation, audit, servers))
        reports = [one.report for one in audited]
        write(reports, output, options.output_file)
        if any(report.error is not None for report in reports):
            invocation.warn(f"synadmin: {summary_of_all(reports)}")
        else:
            found = [report.report for report in reports if report.report is not None]
            say_nothing_new(invocation, found, output, to_file=options.output_file is not None)
        if notified is not None:
            post(*notified, reports)
        # At the end: findings that could not be printed stay new.
        for one in audited:
            path = one.options.baseline
            if options.update_baseline and path and one.outcome is not None and one.outcome.complete:
                one.outcome.baseline.write(path)
    codes = [one.code for one in audited]
    if all(code in {EXIT_DONE, EXIT_FOUND} for code in codes):
        return EXIT_FOUND if EXIT_FOUND in codes else EXIT_DONE
    return common_code(codes)


def _first_profiles(invocation: Invocation, servers: list[Invocation]) -> list[Invocation]:
    """Return the first profile of each homeserver; print the profiles that are left out."""
    first: dict[str, Invocation] = {}
    for server in servers:
        homeserver = None
        with suppress(SettingsError):  # the audit of the server reports it
            homeserver = server.settings.homeserver
        name = server.profile or ""
        kept = first.setdefault(f"profile {name}" if homeserver is None else homeserver.rstrip("/"), server)
        if kept is not server and invocation.is_watched:
            invocation.say(f"{name} has the same homeserver as {kept.profile}: it is audited once")
    return list(first.values())


def _notified(servers: list[Invocation], room: str, stack: ExitStack) -> "tuple[Synapse, RoomId]":
    """Return the first server whose token's owner can post to a room, and the room.

    Raises:
        RefusedError: no token owner can post to the room.
        SynadminError: no server could be asked.
    """
    errors: dict[str | None, SynadminError] = {}
    for server in servers:
        try:
            synapse = stack.enter_context(server.synapse())
            return synapse, room_to_notify(synapse, room)
        except UsageError:
            raise
        except SynadminError as error:
            errors[server.profile] = error
    if not any(isinstance(error, RefusedError) for error in errors.values()):
        raise next(iter(errors.values()))
    reasons = "; ".join(f"{name}: {str(error).removeprefix('--notify: ')}" for name, error in errors.items())
    raise RefusedError(
        f"--notify: no profile can post to {room} ({reasons})",
        hint="let the token's owner of one profile join the room",
    )


def _audit(
    server: Invocation, options: Options, locks: ExitStack, *, until: float | None, count: bool
) -> _Audited:
    from synadmin.audit.report import ServerReport, with_profile

    profile = server.profile or ""
    own = options.at_profile(profile)
    homeserver = outcome = error = None
    code = EXIT_FAILED
    try:
        homeserver = server.settings.homeserver
        locks.enter_context(exclusive(server, own.baseline, wait=own.wait, until=until))
        with server.synapse() as synapse:
            outcome = audit_server(server, synapse, own, until=until, count_controllers=count)
        code = exit_code(outcome, own.fail_on)
        if not outcome.complete:
            error = incompleteness(outcome)
    except SynadminError as failure:
        error, code = str(failure), code_of(failure)
    report = ServerReport(
        profile=profile,
        homeserver=homeserver,
        report=None if outcome is None else with_profile(outcome.report, profile),
        error=error,
    )
    return _Audited(report, own, outcome, code)
