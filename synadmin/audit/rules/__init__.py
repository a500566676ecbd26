"""The rules of the audit, one module each: its docstring is its page, ``check`` finds.

A rule is pure: facts in, findings out. It has an ``ID``, a ``SEVERITY``, a ``SUBJECT`` (which facts it
takes) and ``OPTIONS`` with their defaults; ``enabled`` among them says that it is off unless asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from synadmin.audit.findings import Finding, Severity
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
    inactive_controller,
    no_local_control,
    no_local_members,
    old_report,
    old_room_version,
    open_registration_token,
    single_controller,
    stuck_background_update,
    tombstoned_with_members,
    unexpected_server_admin,
    unused_ignore,
    weak_control,
)


class Rule(Protocol):
    """What the module of a rule has."""

    __doc__: str | None
    ID: str
    SEVERITY: Severity
    OPTIONS: dict[str, Any]

    @property
    def SUBJECT(self) -> type:  # noqa: N802 - a constant of the module's, which may be of a narrower type
        """Which facts it takes: one of the classes of ``facts``."""

    @property
    def check(self) -> Callable[[Any, Mapping[str, Any]], Iterator[Finding]]:
        """What yields the findings, given the facts and the options."""


RULES: Final[tuple[Rule, ...]] = (
    no_local_control,
    ghost_power,
    everyone_controls,
    single_controller,
    inactive_controller,
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
    old_report,
    failing_destination,
    stuck_background_update,
    failed_task,
    delegation,
    unused_ignore,
)
"""All rules, in the order in which they are listed: rooms, accounts, the server, the audit itself."""

HEADINGS: Final = ("Why it matters", "What it shows", "How to fix it")
"""The parts of a page after its beginning, which says what is found."""


def summary(rule: Rule) -> str:
    """Return what a rule finds, in a line."""
    return (rule.__doc__ or "").partition("\n")[0].strip()


def options(rule: Rule) -> Mapping[str, Any]:
    """Return the options that can be set under ``[audit.rules.ID]``, with their defaults."""
    own = {name: default for name, default in rule.OPTIONS.items() if name != "server_admins"}
    return {"enabled": True, **own}


def page(rule: Rule) -> str:
    """Return the page of a rule, in Markdown that reads well as it is."""
    text = (rule.__doc__ or "").strip()
    for heading in HEADINGS:
        text = text.replace(f"\n{heading}\n", f"\n### {heading}\n")
    shown = {"severity": rule.SEVERITY.value, **options(rule)}
    settings = "\n".join(f"    {name} = {_toml(value)}" for name, value in shown.items())
    configured = f"### Configuration, with what holds by default\n\n    [audit.rules.{rule.ID}]\n{settings}"
    return f"## {rule.ID}\n\n{text}\n\n{configured}\n"


def document() -> str:
    """Return the pages of all rules, as ``docs/audit-rules.md`` has them."""
    rows = "\n".join(f"| [](#{rule.ID}) | {_severity(rule)} | {summary(rule)} |" for rule in RULES)
    pages = "\n".join(page(rule) for rule in RULES)
    return f"{_INTRODUCTION}\n{rows}\n\n{pages}"


_INTRODUCTION: Final = """\
# The rules of the audit

What `synadmin audit` looks for. `synadmin audit rules` lists the same in the terminal, and
`synadmin audit rules ID` shows a page. A room counts as *ours* where its creator is local. *Control*
means: joined, with an active account, and a level that reaches what `m.room.power_levels` needs.

| rule | severity | finds |
|---|---|---|"""


def _severity(rule: Rule) -> str:
    return str(rule.SEVERITY) if rule.OPTIONS.get("enabled", True) else f"{rule.SEVERITY}, off by default"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
