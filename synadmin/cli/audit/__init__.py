"""``synadmin audit``: audit the server, also from cron."""

import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.audit.report import (
    RECORD_FORMS,
    incompleteness,
    line_writer,
    output_of,
    say_nothing_new,
    write,
)
from synadmin.cli.audit.run import RULES, Options, audit_server, exclusive, exit_code, room_to_notify
from synadmin.cli.exit_codes import EXIT_DONE
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.output import Output
from synadmin.cli.parameters import DURATION
from synadmin.cli.servers import profiles_named, profiles_option
from synadmin.columns import REPORT_FORMATS, Column
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from synadmin.audit.facts import Facts
    from synadmin.audit.gather.coverage import Coverage

_CRON, _TIMER = "print-cron", "install-timer"
_REDRAW = 0.2  # seconds


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
@profiles_option
@click.option("--notify", metavar="ROOM", help="Post new findings to this Matrix room.")
@click.option("--wait", is_flag=True, help="Wait until another audit has ended.")
@click.option("--time-limit", type=DURATION, help="Stop after this time: 90s, 30m.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(REPORT_FORMATS),
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
    **options: Any,  # noqa: ANN401  the fields of Options
) -> int:
    """Audit rooms, accounts, federation and the server.

    SCOPE is rooms, users or server. Finds rooms without control, risky accounts, failing federation.

    It finds rooms that no local user controls or that depend on one user, power of accounts that do not
    exist, server admins who were not seen for months, reports that are open for days. It changes nothing
    on the server. `synadmin audit rules` lists its rules, `synadmin audit rules ID` explains one.

    Made for cron: without (new) findings it prints nothing and ends with 0. `synadmin audit print-cron`
    prints the lines for crontab, `synadmin audit install-timer` writes a systemd timer of your user.

    --profiles audits several servers at once and writes one report. Each server has its own baseline:
    audit.NAME.json for --baseline audit.json.

    \b
    Examples:
        synadmin audit
        synadmin audit rooms --rule no-local-control -o json
        synadmin audit rooms --without alice --rule no-local-control
        synadmin audit --config audit.toml --baseline audit.json --update-baseline
        synadmin audit --profiles all
        synadmin audit rules single-controller
        (crontab -l; synadmin audit print-cron) | crontab -

    Exit codes: 0 no (new) findings; 10 findings at or above --fail-on; 1 not everything could be checked,
    or a rule crashed; 3 the token is not a server admin's.
    """
    if scopes[:1] == (RULES,):
        _show_rules(scopes[1:], form, columns)
        return EXIT_DONE
    if scopes in {(_CRON,), (_TIMER,)}:
        return _schedule(invocation, scopes[0], options["config_file"], options["profiles"])
    output = output_of(form, columns)
    asked = Options(scopes=scopes, **options)
    if asked.profiles is None:
        return _audit(invocation, asked, output)
    from synadmin.cli.audit.several import audit_profiles

    return audit_profiles(invocation, asked, output)


def _audit(invocation: Invocation, options: Options, output: Output) -> int:
    from synadmin.audit.notify import post

    until = options.until()
    # NDJSON lines are printed at once. A report is sorted first, and a file is written in one step.
    streams = output.form == "ndjson" and options.output_file is None
    with ExitStack() as stack:
        stack.enter_context(exclusive(invocation, options.baseline, wait=options.wait, until=until))
        synapse = stack.enter_context(invocation.synapse())
        room_id = None if options.notify is None else room_to_notify(synapse, options.notify)
        with _progress(invocation) as progress:
            outcome = audit_server(
                invocation,
                synapse,
                options,
                until=until,
                count_controllers=output.form == "html",
                progress=progress,
                found=line_writer(output) if streams else lambda _: None,
            )
        if not streams:
            write(outcome.report, output, options.output_file)
        if outcome.complete:
            to_file = options.output_file is not None
            say_nothing_new(invocation, [outcome.report], output, to_file=to_file)
        else:
            invocation.warn(f"synadmin: the audit is not complete: {incompleteness(outcome)}")
        if room_id is not None:
            post(synapse, room_id, outcome.report)
        # At the end: findings that could not be printed stay new.
        if options.update_baseline and options.baseline is not None and outcome.complete:
            outcome.baseline.write(options.baseline)
    return exit_code(outcome, options.fail_on)


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


def _schedule(invocation: Invocation, how: str, config_file: str | None, profiles: str | None) -> int:
    """Print the lines for cron, or write the files of a timer, for an audit every night."""
    from synadmin.cli.schedule import install_timer, nightly_audit
    from synadmin.settings import load

    audit = nightly_audit(None if config_file is None else Path(config_file), profiles)
    if profiles is not None:
        profiles_named(invocation, profiles)
    elif not load(profile=invocation.profile).profile_file.exists():
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


def _show_rules(names: tuple[str, ...], form: str, columns: str | None) -> None:
    """List the rules, or print the pages of the named rules."""
    from synadmin.audit.config import rule_of
    from synadmin.audit.rules import RULES, options, page, summary
    from synadmin.audit.runner import scope_of

    if form not in RECORD_FORMS:
        raise UsageError(f"the rules are printed as {', '.join(RECORD_FORMS)}, not as {form}")
    output = output_of(form, columns)
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
    shown = [Column(name, whole=name == "rule") for name in ("rule", "severity", "about", "enabled", "finds")]
    output.write(records, [*shown, Column("options", shown=False)])
