"""The rules of the audit, one module each. Its docstring is its page, its ``check`` yields findings.

A rule is pure: facts in, findings out. It declares its ``ID``, its ``SEVERITY``, its ``SUBJECT`` (which facts
it takes), its ``NEEDS`` (facts that cost separate requests) and its ``OPTIONS`` with their defaults;
the option ``enabled`` means that the rule is off by default. The engine adds id, severity and subject to what
``check`` yields.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from synadmin.audit.facts import Facts, IgnoreFacts, Need
from synadmin.audit.findings import Finding, Found, Severity, Subject
from synadmin.audit.rules import (
    complex_room,
    delegation,
    departed_power,
    dormant_account,
    dormant_server_admin,
    everyone_controls,
    failed_task,
    failing_destination,
    foreign_controller,
    ghost_power,
    half_deactivated,
    half_locked,
    heir_due,
    inactive_controller,
    leftover_session,
    no_local_control,
    no_local_members,
    old_report,
    old_room_version,
    open_registration_token,
    owner_gone,
    single_controller,
    stale_admin_session,
    stuck_background_update,
    token_expires_soon,
    tombstoned_with_members,
    unending_admin_token,
    unexpected_server_admin,
    unused_ignore,
    weak_control,
)


class Rule(Protocol):
    """The protocol of a rule's module."""

    __doc__: str | None
    ID: str
    SEVERITY: Severity
    NEEDS: frozenset[Need]
    OPTIONS: dict[str, Any]

    @property
    def SUBJECT(self) -> type:  # noqa: N802 - a constant of the module's, which may be of a narrower type
        """The facts that ``check`` takes: one of the classes of ``facts``."""

    @property
    def check(self) -> Callable[[Any, Mapping[str, Any]], Iterator[Found]]:
        """Yield the findings for the facts and the options."""


RULES: Final[tuple[Rule, ...]] = (
    no_local_control,
    ghost_power,
    everyone_controls,
    single_controller,
    inactive_controller,
    heir_due,
    owner_gone,
    foreign_controller,
    weak_control,
    departed_power,
    no_local_members,
    tombstoned_with_members,
    old_room_version,
    complex_room,
    unexpected_server_admin,
    dormant_server_admin,
    dormant_account,
    open_registration_token,
    half_deactivated,
    half_locked,
    stale_admin_session,
    unending_admin_token,
    token_expires_soon,
    leftover_session,
    old_report,
    failing_destination,
    stuck_background_update,
    failed_task,
    delegation,
    unused_ignore,
)
"""All rules, in the order in which they are listed: rooms, accounts, the server, the audit itself."""

HEADINGS: Final = ("Why it matters", "What it shows", "How to fix it")
"""The headings of a page. The part before the first heading says what the rule finds."""


def findings_of(rule: Rule, facts: Facts, options: Mapping[str, Any]) -> Iterator[Finding]:
    """Run a rule over facts and yield its findings, with its id and severity and the subject."""
    for found in rule.check(facts, options):
        yield Finding(
            rule=rule.ID,
            severity=found.severity or rule.SEVERITY,
            subject=found.subject or subject_of(facts),
            message=found.message,
            fix=found.fix,
            details=found.details,
            part=found.part,
        )


def subject_of(facts: Facts) -> Subject:
    """Return the facts as the subject of a finding."""
    return Subject("ignore", facts.subject, facts.rule) if isinstance(facts, IgnoreFacts) else facts.subject


def summary(rule: Rule) -> str:
    """Return what a rule finds, in one line."""
    return (rule.__doc__ or "").partition("\n")[0].strip()


def options(rule: Rule) -> Mapping[str, Any]:
    """Return the options that can be set under ``[audit.rules.ID]``, with their defaults."""
    own = {name: default for name, default in rule.OPTIONS.items() if name != "server_admins"}
    return {"enabled": True, **own}


def page(rule: Rule) -> str:
    """Return the page of a rule, in Markdown that is readable as plain text."""
    text = (rule.__doc__ or "").strip()
    for heading in HEADINGS:
        text = text.replace(f"\n{heading}\n", f"\n### {heading}\n")
    shown = {"severity": rule.SEVERITY.value, **options(rule)}
    settings = "\n".join(f"    {name} = {_toml(value)}" for name, value in shown.items())
    configured = f"### Configuration, with the defaults\n\n    [audit.rules.{rule.ID}]\n{settings}"
    return f"## {rule.ID}\n\n{text}\n\n{configured}\n"


def document() -> str:
    """Return the pages of all rules, as ``docs/audit-rules.md`` has them."""
    rows = "\n".join(f"| [{rule.ID}](#{rule.ID}) | {_severity(rule)} | {summary(rule)} |" for rule in RULES)
    pages = "\n".join(page(rule) for rule in RULES)
    return f"{_INTRODUCTION}\n{rows}\n\n{pages}"


_INTRODUCTION: Final = """\
# The rules of the audit

These are the rules that `synadmin audit` runs. `synadmin audit rules` lists them in the terminal, and
`synadmin audit rules ID` shows one page. A room is *ours* if its creator is a local user. A user has
*control* of a room if they are joined, their account is active, and their power level is enough to change
`m.room.power_levels`.

| rule | severity | finds |
|---|---|---|"""


def _severity(rule: Rule) -> str:
    return str(rule.SEVERITY) if rule.OPTIONS.get("enabled", True) else f"{rule.SEVERITY}, off by default"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
