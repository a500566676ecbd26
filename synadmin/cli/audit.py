"""``synadmin audit``: audit the server, also from cron."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli import colors
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_FOUND
from synadmin.cli.invocation import Invocation, is_terminal, pass_invocation, wrapped
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output
from synadmin.cli.parameters import DURATION
from synadmin.cli.targets import user_id_of
from synadmin.columns import FORMATS, Column
from synadmin.errors import NotFoundError, NotPermittedError, RefusedError, SettingsError, UsageError

if TYPE_CHECKING:
    from synadmin.audit.baseline import Baseline
    from synadmin.audit.config import Config
    from synadmin.audit.facts import Facts
    from synadmin.audit.gather.coverage import Coverage
    from synadmin.audit.report import Report
    from synadmin.audit.runner import AuditResult
    from synadmin.client import Synapse
    from synadmin.ids import RoomId, UserId

_SCOPES = ("rooms", "users", "server")
_RULES = "rules"
_CRON, _TIMER = "print-cron", "install-timer"
FORMS = ("table", "json", "ndjson", "csv", "markdown", "html", "prometheus")
_RECORDS = tuple(form for form in FORMATS if form in FORMS)
_FIX = "    synadmin "
_REDRAW = 0.2  # seconds
_LONGEST_DELEGATION = 30.0  # seconds for the check of the server's own name


def _complete_rules(_context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    from synadmin.audit.rules import RULES

    return [rule.ID for rule in RULES if rule.ID.startswith(start)]


@click.command(cls=Command)
@click.argument("scopes", nargs=-1, metavar="[SCOPE]... | rules [ID] | print-cron | install-timer")
@click.option(
    "--rule",
    "only",
    multiple=True,
    metavar="ID",
    help="Run only this rule; may be repeated.",
    shell_complete=_complete_rules,
)
@click.option(
    "--without",
    multiple=True,
    metavar="USER[,USER]",
    help="Check the rooms as if these accounts were deactivated.",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="ID",
    help="Do not run this rule; may be repeated.",
    shell_complete=_complete_rules,
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "error", "never"]),
    default="warning",
    show_default=True,
    help="Exit with 10 where a finding has at least this severity.",
)
@click.option(
    "--config", "config_file", metavar="FILE", help="Read limits, lists and ignores from this TOML file."
)
@click.option("--control", metavar="FILE", help="Announce the heirs of this control file (rule heir-due).")
@click.option(
    "--baseline", "baseline_file", metavar="FILE", help="Do not show the findings in this file again."
)
@click.option("--update-baseline", is_flag=True, help="Write the findings into the baseline.")
@click.option("--output-file", metavar="FILE", help="Write the report to this file, in one step.")
@click.option("--notify", metavar="ROOM", help="Post new findings to this Matrix room.")
@click.option("--wait", is_flag=True, help="Wait until another audit has ended.")
@click.option("--time-limit", type=DURATION, help="Stop after this time: 90s, 30m.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(FORMS),
    default="table",
    help="How to print the report.",
)
@click.option("--columns", metavar="NAME,...", help="The columns to print, in this order.")
@pass_invocation
def audit(
    invocation: Invocation,
    /,
    scopes: tuple[str, ...],
    *,
    form: str,
    columns: str | None,
    **options: Any,  # noqa: ANN401  those of _Options, as click has parsed them
) -> int:
    """Audit rooms, accounts, federation and the server.

    SCOPE is rooms, users or server. Finds rooms without control, risky accounts, failing federation.

    It finds rooms that no local user controls or that depend on one user, power of accounts that do not
    exist, server admins who were not seen for months, reports that are open for days. It changes nothing
    on the server. `synadmin audit rules` lists its rules, `synadmin audit rules ID` explains one.

    Made for cron: without (new) findings it prints nothing and ends with 0. `synadmin audit print-cron`
    prints the lines for crontab, `synadmin audit install-timer` writes a systemd timer of your user.

    \b
    Examples:
        synadmin audit
        synadmin audit rooms --rule no-local-control -o json
        synadmin audit rooms --without alice --rule no-local-control
        synadmin audit --config audit.toml --baseline audit.json --update-baseline
        synadmin audit rules single-controller
        (crontab -l; synadmin audit print-cron) | crontab -

    Exit codes: 0 no (new) findings; 10 findings at or above --fail-on; 1 not everything could be checked,
    or a rule crashed; 3 the token is not a server admin's.
    """
    if scopes[:1] == (_RULES,):
        _show_rules(scopes[1:], form, columns)
        return EXIT_DONE
    if scopes in {(_CRON,), (_TIMER,)}:
        return _schedule(invocation, scopes[0], options["config_file"])
    output = _output(form, columns)
    return _audit(invocation, _Options(scopes=scopes, **options), output)


def _schedule(invocation: Invocation, how: str, config_file: str | None) -> int:
    """Print the lines for cron, or write the files of a timer, for an audit every night."""
    from synadmin.cli.schedule import install_timer, nightly
    from synadmin.settings import load

    audit = nightly(None if config_file is None else Path(config_file))
    if not load(profile=invocation.profile).profile_file.exists():
        invocation.warn("warning: there is no profile, and cron does not know your environment")
        invocation.warn("hint: run `synadmin login` first")
    if how == _CRON:
        click.echo(audit.crontab(), nl=False)
        return EXIT_DONE
    directory, changed = install_timer(audit)
    invocation.say(f"The timer {'is in' if changed else 'was already in'} {directory}. To start it:")
    click.echo("systemctl --user daemon-reload && systemctl --user enable --now synadmin-audit.timer")
    click.echo("loginctl enable-linger  # it also runs when you are not signed in")
    return EXIT_DONE


@dataclass(frozen=True, kw_only=True)
class _Options:
    """What an audit is asked for, as the command line has it.

    Raises:
        UsageError: options do not go together.
    """

    scopes: tuple[str, ...]
    only: tuple[str, ...]
    without: tuple[str, ...]
    skip: tuple[str, ...]
    fail_on: str
    config_file: str | None
    control: str | None
    baseline_file: str | None
    update_baseline: bool
    output_file: str | None
    notify: str | None
    wait: bool
    time_limit: int | None

    def __post_init__(self) -> None:
        message = None
        unknown = next((scope for scope in self.scopes if scope not in _SCOPES), None)
        if unknown is not None:
            message = f"{unknown!a} is not one of {', '.join((*_SCOPES, _RULES))}"
        elif self.update_baseline and self.baseline_file is None:
            message = "--update-baseline needs --baseline FILE"
        elif self.without and self.scopes != ("rooms",):
            message = "--without is about rooms: `synadmin audit rooms --without USER`"
        elif self.without and self.update_baseline:
            message = (
                "--without and --update-baseline do not go together: "
                "it shows what would be, not what holds now"
            )
        if message is not None:
            raise UsageError(message)


def _audit(invocation: Invocation, options: _Options, output: Output) -> int:
    from synadmin.audit.notify import post
    from synadmin.library import audit as library

    until = None if options.time_limit is None else time.monotonic() + options.time_limit / 1000
    path = None if options.baseline_file is None else Path(options.baseline_file)
    with ExitStack() as stack:
        stack.enter_context(_exclusive(invocation, path, wait=options.wait, until=until))
        synapse = stack.enter_context(invocation.synapse())
        room_id = None if options.notify is None else _room_to_notify(synapse, options.notify)
        settings = invocation.settings
        begin = not options.only and "rooms" in (options.scopes or _SCOPES)
        prefetcher = stack.enter_context(library.prefetching(synapse, settings.concurrency, begin=begin))
        config = _config(options.config_file)
        run = library.AuditRun(
            library.rules_of(config, options.scopes, options.only, options.skip),
            config,
            _baseline(path, may_be_missing=options.update_baseline),
            until,
            count_controllers=output.form == "html",
            without=_leavers(synapse, options.without),
            control=None if options.control is None else Path(options.control),
        )
        with _progress(invocation) as progress:
            outcome = library.run(
                prefetcher, run, timeout=settings.timeout, ca_file=settings.ca_file, progress=progress
            )
        _write(outcome.report, output, options.output_file)
        _say_coverage(invocation, outcome, output, to_file=options.output_file is not None)
        if room_id is not None:
            post(synapse, room_id, outcome.report)
        # Last of all: what was not shown stays new.
        if options.update_baseline and path is not None and outcome.complete:
            outcome.baseline.write(path)
    return _exit_code(outcome, options.fail_on)


def _leavers(synapse: "Synapse", without: tuple[str, ...]) -> "Collection[UserId]":
    """Return the accounts to leave out.

    Raises:
        NotFoundError: there is no such account.
    """
    names = (name.strip() for text in without for name in text.split(","))
    users = dict.fromkeys(user_id_of(synapse, name) for name in names if name)
    for user in users:
        synapse.users.get(user)
    return users


def _baseline(path: Path | None, *, may_be_missing: bool) -> "Baseline":
    from synadmin.audit.baseline import Baseline, read

    return Baseline() if path is None else read(path, may_be_missing=may_be_missing)


def _config(file: str | None) -> "Config":
    from synadmin.audit.config import Config, read

    return Config() if file is None else read(Path(file))


def _output(form: str, columns: str | None) -> Output:
    if columns is None:
        return Output(form, None)
    if form not in _RECORDS:
        raise UsageError(f"--columns goes with {', '.join(_RECORDS)}, not with {form}")
    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    if not names:
        raise UsageError("--columns names no column")
    return Output(form, names)


@contextmanager
def _exclusive(
    invocation: Invocation, baseline: Path | None, *, wait: bool, until: float | None
) -> Iterator[None]:
    """Refuse other audits of the same server, or with the same baseline, while this one runs."""
    from urllib.parse import quote

    from synadmin.files import LockedError, locked
    from synadmin.settings import state_directory

    homeserver = invocation.settings.homeserver or ""
    with ExitStack() as stack:
        try:
            # An audit changes nothing, so it does not need a state directory that can be written.
            with suppress(SettingsError, RuntimeError):
                path = state_directory() / "audit" / f"{quote(homeserver, safe='')}.lock"
                stack.enter_context(locked(path, wait=wait, until=until))
            if baseline is not None:
                path = baseline.with_name(f".{baseline.name}.lock")
                stack.enter_context(locked(path, wait=wait, until=until, setting="--baseline"))
        except LockedError:
            if wait:
                message = "another audit is still running, and the time limit was reached"
                raise LockedError(message, hint="raise --time-limit") from None
            raise LockedError("another audit is running", hint="--wait waits until it has ended") from None
        yield


@contextmanager
def _progress(invocation: Invocation) -> "Iterator[Callable[[Coverage], Callable[[Facts], None]]]":
    """Show the progress on a terminal."""
    if not invocation.is_watched:
        yield lambda _: lambda _: None
        return
    from synadmin.audit.facts import RoomFacts

    started = drawn = time.monotonic()
    rooms = 0

    def progress(coverage: "Coverage") -> "Callable[[Facts], None]":
        def checked(facts: "Facts") -> None:
            nonlocal drawn, rooms
            rooms += isinstance(facts, RoomFacts)
            now = time.monotonic()
            if now - drawn >= _REDRAW:
                drawn = now
                of = "" if coverage.total_rooms is None else f" of {coverage.total_rooms}"
                invocation.draw(f"{rooms}{of} rooms, {rooms / (now - started):.0f}/s")

        return checked

    try:
        yield progress
    finally:
        invocation.draw("")


def _write(report: "Report", output: Output, file: str | None) -> None:
    import io

    from synadmin.audit.report import render

    if output.names is not None:
        from synadmin.audit.report.csv import COLUMNS
        from synadmin.audit.report.json import new_findings

        if file is not None:
            from synadmin import tables

            text = io.StringIO()
            tables.write(new_findings(report), output.chosen(COLUMNS), output.form, text, all_fields=False)
            _write_file(file, text.getvalue())
        else:
            output.write(new_findings(report), COLUMNS)
    elif file is not None:
        text = io.StringIO()
        render(output.form, report, text)
        _write_file(file, text.getvalue())
    elif output.for_people and is_terminal(sys.stdout):
        text = io.StringIO()
        render(output.form, report, text)
        for line in text.getvalue().splitlines():
            # A command is copied as a whole.
            colors.echo(line if line.startswith(_FIX) else wrapped(line, sys.stdout))
    else:
        render(output.form, report, sys.stdout)


def _write_file(file: str, text: str) -> None:
    from synadmin.files import replace_file

    replace_file(Path(file), text, mode=0o644, into_devices=True, setting="--output-file")


def _say_coverage(invocation: Invocation, outcome: "AuditResult", output: Output, *, to_file: bool) -> None:
    """Warn of an audit that is not complete; on a terminal, say that there are no findings."""
    report = outcome.report
    if not outcome.complete:
        what = []
        if report.skipped:
            reason = report.skipped[0].reason
            what.append(f"{len(report.skipped)} could not be checked (the first: {reason})")
        if report.errors:
            rules = ", ".join(dict.fromkeys(error.rule for error in report.errors))
            what.append(f"a rule crashed: {rules}")
        invocation.warn(f"synadmin: the audit is not complete: {'; '.join(what)}")
    elif output.for_people and not to_file and is_terminal(sys.stderr):
        new = [one for one in report.findings if one.new]
        if not new and not report.solved:
            known = len(report.findings)
            invocation.say(f"no new findings; {known} known before" if known else "no findings")


def _room_to_notify(synapse: "Synapse", name: str) -> "RoomId":
    """Return the room that the findings are posted to, looked up before the audit.

    Raises:
        RefusedError: the token's owner is not in it.
    """
    from synadmin.ids import RoomAlias, RoomId, parse_room

    room = parse_room(name)
    room_id = (
        synapse.client_server.resolve_alias(RoomAlias(room)).room_id if room.startswith("#") else RoomId(room)
    )
    owner = synapse.owner
    with suppress(NotFoundError, NotPermittedError):
        if synapse.client_server.state_event(room_id, "m.room.member", owner).get("membership") == "join":
            return room_id
    raise RefusedError(f"--notify: {owner} is not in {name}", hint=f"`synadmin room join '{name}' {owner}`")


def _exit_code(outcome: "AuditResult", fail_on: str) -> int:
    from synadmin.audit.findings import Severity

    if not outcome.complete:
        return EXIT_FAILED
    if fail_on == "never":
        return EXIT_DONE
    least = Severity(fail_on).rank
    found = any(one.new and one.finding.severity.rank >= least for one in outcome.report.findings)
    return EXIT_FOUND if found else EXIT_DONE


def _show_rules(names: tuple[str, ...], form: str, columns: str | None) -> None:
    """List the rules, or print the pages of some."""
    from synadmin.audit.config import rule_of
    from synadmin.audit.rules import RULES, options, page, summary
    from synadmin.audit.runner import scope_of

    if form not in _RECORDS:
        raise UsageError(f"the rules are printed as {', '.join(_RECORDS)}, not as {form}")
    output = _output(form, columns)
    if names and output.in_words:
        click.echo("\n".join(page(rule_of(name)) for name in names), nl=False)
        return
    records = [
        {
            "rule": rule.ID,
            "severity": str(rule.SEVERITY),
            "about": scope_of(rule) or "the audit",
            "enabled": rule.OPTIONS.get("enabled", True),
            "finds": summary(rule),
            "options": dict(options(rule)),
        }
        for rule in ((rule_of(name) for name in names) if names else RULES)
    ]
    output.write(
        records,
        [
            Column("rule", whole=True),
            Column("severity"),
            Column("about"),
            Column("enabled"),
            Column("finds"),
            Column("options", shown=False),
        ],
    )
