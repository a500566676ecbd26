"""The report of an audit, and its formats: one module for each format, with a ``write``."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import NamedTuple, Protocol, TextIO, cast

from synadmin.audit.findings import Finding, Severity, Skipped, Subject
from synadmin.ids import UserId


class Reported(NamedTuple):
    """A finding in a report.

    Attributes:
        new: it is not in the baseline. Without a baseline, everything is new.
    """

    finding: Finding
    new: bool


class ControlledRoom(NamedTuple):
    """A room that a local user controls.

    Attributes:
        alone: no other local user controls it.
    """

    room: Subject
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleError:
    """An error of a rule, with its subject."""

    rule: str
    subject: Subject
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """An earlier run in the baseline.

    Attributes:
        at: when it ended, in milliseconds since the epoch.
        counts: how many findings of each severity there were.
    """

    at: int
    counts: Mapping[Severity, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The report of an audit.

    Attributes:
        server_name: the audited server.
        started_at: when it began, in milliseconds since the epoch.
        finished_at: when it ended, in milliseconds since the epoch.
        checked: how many subjects of each kind were checked: ``{"rooms": 120, "users": 37, …}``.
        skipped: subjects that were not checked. With any, the report is partial, unless the subjects were
            deleted.
        findings: the findings, and whether each is new.
        solved: findings of the baseline that this audit did not find.
        errors: the rules that crashed.
        history: earlier runs, oldest first, without this one.
        controllers: the checked rooms that each local user controls; empty unless they were to be counted.
        rules: the ids of the rules that ran, whether or not they found anything.
        version: the version of the JSON report's shape.
    """

    server_name: str
    started_at: int
    finished_at: int
    checked: Mapping[str, int] = field(default_factory=dict)
    skipped: Sequence[Skipped] = ()
    findings: Sequence[Reported] = ()
    solved: Sequence[Finding] = ()
    errors: Sequence[RuleError] = ()
    history: Sequence[PastRun] = ()
    controllers: Mapping[UserId, Sequence[ControlledRoom]] = field(default_factory=dict)
    rules: Sequence[str] = ()
    version: int = 1

    @property
    def amounts(self) -> list[str]:
        """The numbers of checked subjects as text: ``120 rooms``, ``1 user``, ``the server``."""
        return [
            "the server"
            if what == "server"
            else f"{number} {what.removesuffix('s') if number == 1 else what}"
            for what, number in self.checked.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """The report of one server, where several are audited.

    Attributes:
        profile: the profile that names the server.
        homeserver: its base URL or server name, as the profile has it; None where it has none.
        report: the report; None where the server was not audited.
        error: why it was not audited, or not completely; None where everything was checked.
    """

    profile: str
    homeserver: str | None
    report: Report | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """The server name; the homeserver as the profile has it where the server was not audited."""
        if self.report is not None:
            return self.report.server_name
        return self.homeserver or self.profile

    @property
    def problem(self) -> str | None:
        """The problem of the audit itself, as a clause; None where everything was checked."""
        if self.error is None:
            return None
        return f"{'not audited' if self.report is None else 'not complete'}: {self.error}"


def with_profile(report: Report, profile: str) -> Report:
    """Return a report whose commands name the profile of the server."""

    def named(finding: Finding) -> Finding:
        if finding.fix is None:
            return finding
        return replace(finding, fix=f"{finding.fix} --profile {shlex.quote(profile)}")

    findings = [item._replace(finding=named(item.finding)) for item in report.findings]
    return replace(report, findings=findings, solved=[named(finding) for finding in report.solved])


class Form(Protocol):
    """The protocol of a report format's module."""

    def write(self, report: Report, out: TextIO) -> None:
        """Write the report to ``out``."""

    def write_all(self, servers: Sequence[ServerReport], out: TextIO) -> None:
        """Write one report of several servers to ``out``."""


def render(form: str, report: Report | Sequence[ServerReport], out: TextIO) -> None:
    """Write the report of one server or of several to ``out`` in one of the ``REPORT_FORMATS``."""
    # Loaded on first use: a nightly run as JSON should not pay for Jinja2.
    module = cast("Form", import_module(f"{__name__}.{form}"))
    if isinstance(report, Report):
        module.write(report, out)
    else:
        module.write_all(report, out)
