"""``synadmin audit --profiles``: audit several servers at once, with one report."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synadmin.cli.audit.report import incompleteness, say_nothing_new, write
from synadmin.cli.audit.run import Options, audit_server, exclusive, exit_code, rules_and_config
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_FOUND
from synadmin.cli.exit_codes import exit_code as code_of
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.cli.servers import at_each, common_code, invocations
from synadmin.errors import SettingsError, SynadminError

if TYPE_CHECKING:
    from synadmin.audit.report import ServerReport
    from synadmin.audit.runner import AuditResult


@dataclass(frozen=True)
class _Audited:
    """A server after its audit.

    Attributes:
        report: its part of the report.
        options: those of this server.
        outcome: how the audit ended; None where there was none.
        code: the exit code of this server alone.
    """

    report: "ServerReport"
    options: Options
    outcome: "AuditResult | None"
    code: int


def audit_profiles(invocation: Invocation, options: Options, output: Output) -> int:
    """Audit the servers of the profiles that ``options`` name, and write one report."""
    from synadmin.audit.report.table import summary_of_all
    from synadmin.parallel import on_one_core

    servers = invocations(invocation, options.profiles or "")
    for server in servers:
        rules_and_config(options.at_profile(server.profile or ""))  # what is wrong in them is said once
    until = options.until()
    first = _first_profiles(servers)
    # The locks are held until the baselines are written.
    with ExitStack() as locks, on_one_core():

        def audit(server: Invocation) -> _Audited:
            return _audit(server, options, locks, first, until=until, count=output.form == "html")

        audited = list(at_each(invocation, audit, servers))
        reports = [one.report for one in audited]
        write(reports, output, options.output_file)
        if any(report.error is not None for report in reports):
            invocation.warn(f"synadmin: {summary_of_all(reports)}")
        else:
            found = [report.report for report in reports if report.report is not None]
            say_nothing_new(invocation, found, output, to_file=options.output_file is not None)
        # Last of all: what was not shown stays new.
        for one in audited:
            path = one.options.baseline
            if options.update_baseline and path and one.outcome is not None and one.outcome.complete:
                one.outcome.baseline.write(path)
    codes = [one.code for one in audited]
    if all(code in {EXIT_DONE, EXIT_FOUND} for code in codes):
        return EXIT_FOUND if EXIT_FOUND in codes else EXIT_DONE
    return common_code(codes)


def _first_profiles(servers: list[Invocation]) -> dict[str, str]:
    """Return the first profile of each homeserver: the one with which it is audited."""
    first: dict[str, str] = {}
    for server in servers:
        with suppress(SettingsError):  # it is reported where the server is audited
            first.setdefault(server.settings.homeserver or "", server.profile or "")
    return first


def _audit(
    server: Invocation,
    options: Options,
    locks: ExitStack,
    first: Mapping[str, str],
    *,
    until: float | None,
    count: bool,
) -> _Audited:
    from synadmin.audit.report import ServerReport, with_profile

    profile = server.profile or ""
    own = options.at_profile(profile)
    homeserver = outcome = error = None
    code = EXIT_FAILED
    try:
        homeserver = server.settings.homeserver
        if homeserver is not None and first[homeserver] != profile:
            raise SettingsError(f"the profile {first[homeserver]} has the same homeserver, and is audited")
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
