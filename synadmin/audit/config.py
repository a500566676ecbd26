"""The configuration of an audit: a TOML file, checked when it is read."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from synadmin import toml_files
from synadmin.audit.facts import IgnoreFacts
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.rules import RULES, Rule, options
from synadmin.errors import SettingsError, UsageError
from synadmin.ids import UserId, parse_user_id
from synadmin.toml_files import boolean, document, nearest, quoted, require_known, strings, table

_BY_ID: Final = {rule.ID: rule for rule in RULES}
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Findings that are known and intended.

    Attributes:
        until: the last day on which the ignore applies; None: it always applies.
    """

    rule: str
    subject: str
    reason: str
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What an audit checks.

    Attributes:
        server_admins: the expected server admins; None where there is no list.
        skip: the ids of rules that are not to run.
        rules: the settings of single rules: ``severity``, ``enabled`` and their options.
        ignores: the findings that are known and intended.
    """

    server_admins: tuple[UserId, ...] | None = None
    skip: tuple[str, ...] = ()
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()

    def enabled(self, *, only: Collection[str] = (), skip: Collection[str] = ()) -> tuple[Rule, ...]:
        """Return the rules that are to run.

        Args:
            only: run only the rules with these ids, also those that are off by default.
            skip: do not run the rules with these ids, nor those that the file skips.

        Raises:
            UsageError: there is no such rule.
        """
        for name in (*only, *skip):
            rule_of(name)
        if only:
            return tuple(rule for rule in RULES if rule.ID in only and rule.ID not in skip)
        return tuple(
            rule
            for rule in RULES
            if self.rules.get(rule.ID, _NONE).get("enabled", rule.OPTIONS.get("enabled", True))
            and rule.ID not in {*self.skip, *skip}
        )

    def options(self, rule: Rule) -> Mapping[str, Any]:
        """Return the options that a rule's ``check`` takes: its defaults, with the settings of the file."""
        given = {**rule.OPTIONS, **self.rules.get(rule.ID, _NONE)}
        if "server_admins" in rule.OPTIONS:
            given["server_admins"] = self.server_admins
        return given

    def judged(self, finding: Finding) -> Finding:
        """Return the finding with the severity that the file sets."""
        severity = self.rules.get(finding.rule, _NONE).get("severity")
        return finding if severity is None else replace(finding, severity=Severity(severity))


class Ignored:
    """The findings that are ignored, and the ignores that have matched nothing."""

    def __init__(self, ignores: Collection[Ignore], *, today: date | None = None) -> None:
        self._today = today or datetime.now(UTC).date()
        self._ignores = {(ignore.rule, ignore.subject): ignore for ignore in ignores}
        self._matched: set[tuple[str, str]] = set()

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is ignored; the ignore counts as matched from now on."""
        key = finding.rule, finding.subject.id
        ignore = self._ignores.get(key)
        if ignore is None:
            return False
        self._matched.add(key)
        return ignore.until is None or self._today <= ignore.until

    def facts(self, ran: Collection[str]) -> Iterator[IgnoreFacts]:
        """Yield the ignores of the rules that ran over everything, for the rule ``unused-ignore``.

        Args:
            ran: the ids of those rules. Whether the ignores of the others would match is not known.
        """
        for key, ignore in self._ignores.items():
            if ignore.rule in ran:
                yield IgnoreFacts(
                    rule=ignore.rule,
                    subject=ignore.subject,
                    reason=ignore.reason,
                    until=None if ignore.until is None else ignore.until.isoformat(),
                    matched=key in self._matched,
                )


def rule_of(name: str) -> Rule:
    """Return the rule of an id.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    if name not in _BY_ID:
        message = f"there is no rule {quoted(name)}{nearest(name, _BY_ID)}"
        raise UsageError(message, hint="`synadmin audit rules` lists them")
    return _BY_ID[name]


def read(path: Path) -> Config:
    """Read and check a configuration.

    Raises:
        SettingsError: it cannot be read, is not TOML, or has an unknown or invalid setting.
    """
    return toml_files.read(path, parse)


def parse(text: str) -> Config:
    """Read a configuration from its text.

    Raises:
        SettingsError: it is not TOML, or has an unknown or invalid setting.
    """
    content = document(text)
    require_known(content, {"audit"}, where="the file")
    audit = table(content.get("audit", {}), "[audit]")
    require_known(audit, {"server_admins", "skip", "rules", "ignore"}, where="[audit]")
    rules = table(audit.get("rules", {}), "[audit.rules]")
    admins = audit.get("server_admins")
    return Config(
        server_admins=None if admins is None else tuple(_admins(admins)),
        skip=tuple(_rule(name, "[audit] skip").ID for name in strings(audit.get("skip", []), "[audit] skip")),
        rules={name: _settings(name, settings) for name, settings in rules.items()},
        ignores=_ignores(audit.get("ignore", [])),
    )


def _admins(value: object) -> Iterator[UserId]:
    for name in strings(value, "[audit] server_admins"):
        try:
            yield parse_user_id(name)
        except UsageError as error:
            raise SettingsError(f"[audit] server_admins: {error}") from None


def _rule(name: str, where: str) -> Rule:
    try:
        return rule_of(name)
    except UsageError as error:
        raise SettingsError(f"{where}: {error}", hint=error.hint) from None


def _settings(name: str, value: object) -> Mapping[str, Any]:
    rule = _rule(name, "[audit.rules]")
    where = f"[audit.rules.{name}]"
    settings = table(value, where)
    expected = options(rule)
    require_known(settings, {"severity", *expected}, where=where)
    for option, given in settings.items():
        if option == "severity":
            _severity(given, where)
        else:
            _like(expected[option], given, f"{where} {option}")
    return settings


def _severity(value: object, where: str) -> None:
    if not isinstance(value, str) or value not in set(Severity):
        near = nearest(value, list(Severity)) if isinstance(value, str) else ""
        raise SettingsError(f"{where} severity: {quoted(value)} is not one of {', '.join(Severity)}{near}")


def _like(default: object, given: object, where: str) -> None:
    """Check that an option has the type of its default."""
    if isinstance(default, bool):
        boolean(given, where)
    elif not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise SettingsError(f"{where}: {quoted(given)} is not a whole number of at least 0")


def _ignores(value: object) -> tuple[Ignore, ...]:
    if not isinstance(value, list):
        raise SettingsError("[[audit.ignore]] needs two brackets: there can be several")
    ignores: dict[tuple[str, str], Ignore] = {}
    for number, entry in enumerate(value, 1):
        where = f"[[audit.ignore]] number {number}"
        ignore = _ignore(table(entry, where), where)
        if (ignore.rule, ignore.subject) in ignores:
            raise SettingsError(f"{where}: {ignore.rule} of {quoted(ignore.subject)} is already ignored")
        ignores[ignore.rule, ignore.subject] = ignore
    return tuple(ignores.values())


def _ignore(entry: Mapping[str, Any], where: str) -> Ignore:
    require_known(entry, {"rule", "subject", "reason", "until"}, where=where)
    for name in ("rule", "subject", "reason"):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            raise SettingsError(f"{where}: {name} is missing, or not a text")
    until = entry.get("until")
    if isinstance(until, datetime) or (until is not None and not isinstance(until, date)):
        message = f"{where} until: {quoted(until)} is not a date: write it as 2027-01-31, without quotes"
        raise SettingsError(message)
    rule = _rule(entry["rule"], where)
    return Ignore(rule=rule.ID, subject=entry["subject"], reason=entry["reason"], until=until)
