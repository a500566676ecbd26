"""The audit configuration: known options are read, unknown ones are errors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from synadmin.audit.config import Config, Ignore, Ignored, parse, read, rule_of
from synadmin.audit.findings import Finding, Severity, Subject
from synadmin.audit.rules import RULES, no_local_control, options, single_controller, unexpected_server_admin
from synadmin.errors import SettingsError, UsageError

EXAMPLE = """
[audit]
server_admins = ["@admin:example.org"]
skip = ["departed-power"]

[audit.rules.single-controller]
severity = "info"
local_members = 5

[[audit.ignore]]
rule = "no-local-control"
subject = "!abc:example.org"
reason = "archive, meant to be closed"
until = 2027-01-01
"""
IGNORE = '[[audit.ignore]]\nrule = "no-local-control"\nsubject = "!abc:example.org"\n'


def finding(rule: str = "no-local-control", subject: str = "!abc:example.org") -> Finding:
    return Finding(rule=rule, severity=Severity.ERROR, subject=Subject("room", subject), message="…")


def test_example_configuration_is_read() -> None:
    config = parse(EXAMPLE)
    assert config.server_admins == ("@admin:example.org",)
    assert config.skip == ("departed-power",)
    assert config.options(single_controller) == {"severity": "info", "local_members": 5}
    assert config.options(unexpected_server_admin) == {"server_admins": ("@admin:example.org",)}
    assert config.ignores == (
        Ignore(
            rule="no-local-control",
            subject="!abc:example.org",
            reason="archive, meant to be closed",
            until=date(2027, 1, 1),
        ),
    )


@pytest.mark.parametrize("text", ["", "# nothing", "[audit]"])
def test_empty_configuration_is_valid(text: str) -> None:
    assert parse(text) == Config()
    assert Config().options(unexpected_server_admin) == {"server_admins": None}


def test_every_option_of_a_rule_page_is_accepted() -> None:
    for rule in RULES:
        lines = {"severity": rule.SEVERITY.value, **options(rule)}
        settings = "\n".join(
            f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
            for name, value in lines.items()
        )
        assert parse(f"[audit.rules.{rule.ID}]\n{settings}").rules == {rule.ID: lines}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[audti]", 'the file has no "audti"; did you mean audit?'),
        ("[audit]\nserver_admin = []", '[audit] has no "server_admin"; did you mean server_admins?'),
        ("[audit]\nxyz = 1", '[audit] has no "xyz": use one of ignore, rules, server_admins, skip'),
        (
            "[audit.rules.single-controler]",
            '[audit.rules]: there is no rule "single-controler"; did you mean single-controller?',
        ),
        (
            "[audit.rules.single-controller]\nlocal_member = 1",
            '[audit.rules.single-controller] has no "local_member"; did you mean local_members?',
        ),
        (
            '[audit.rules.single-controller]\nseverity = "warn"',
            (
                '[audit.rules.single-controller] severity: "warn" is not one of info, warning, error; '
                "did you mean warning?"
            ),
        ),
        (
            "[audit.rules.single-controller]\nseverity = 3",
            "[audit.rules.single-controller] severity: 3 is not one of info, warning, error",
        ),
        (
            '[audit.rules.single-controller]\nlocal_members = "3"',
            '[audit.rules.single-controller] local_members: "3" is not a whole number of at least 0',
        ),
        (
            "[audit.rules.single-controller]\nlocal_members = -1",
            "[audit.rules.single-controller] local_members: -1 is not a whole number of at least 0",
        ),
        (
            "[audit.rules.single-controller]\nlocal_members = true",
            "[audit.rules.single-controller] local_members: true is not a whole number of at least 0",
        ),
        (
            "[audit.rules.single-controller]\nenabled = 1",
            "[audit.rules.single-controller] enabled: 1 is not true or false",
        ),
        (
            "[audit.rules.unexpected-server-admin]\nserver_admins = []",
            '[audit.rules.unexpected-server-admin] has no "server_admins": use one of enabled, severity',
        ),
        (
            '[audit]\nskip = ["departed-powers"]',
            '[audit] skip: there is no rule "departed-powers"; did you mean departed-power?',
        ),
        ('[audit]\nskip = "departed-power"', '[audit] skip is not a list of texts: write ["…", "…"]'),
        (
            '[audit]\nserver_admins = ["admin"]',
            (
                '[audit] server_admins: "admin" is not a user id: a user id starts with @, '
                "as in @alice:example.org"
            ),
        ),
        ("audit = 1", "[audit] is not a table"),
        ("[audit]\nrules = []", "[audit.rules] is not a table"),
        ("[audit]\nrules.weak-control = 1", "[audit.rules.weak-control] is not a table"),
        ("[audit.ignore]", "[[audit.ignore]] needs two brackets: there can be several"),
        ("[audit]\nignore = [1]", "[[audit.ignore]] number 1 is not a table"),
        (IGNORE, "[[audit.ignore]] number 1: reason is missing, or not a text"),
        (f'{IGNORE}reason = " "', "[[audit.ignore]] number 1: reason is missing, or not a text"),
        (
            f'{IGNORE}reason = "x"\nuntil = "2027-01-01"',
            (
                '[[audit.ignore]] number 1 until: "2027-01-01" is not a date: '
                "write it as 2027-01-31, without quotes"
            ),
        ),
        (
            f'{IGNORE}reason = "x"\nuntil = 2027-01-01T00:00:00Z',
            (
                "[[audit.ignore]] number 1 until: 2027-01-01 00:00:00+00:00 is not a date: "
                "write it as 2027-01-31, without quotes"
            ),
        ),
        (
            f'{IGNORE}reason = "x"\nsubjects = 1',
            '[[audit.ignore]] number 1 has no "subjects"; did you mean subject?',
        ),
        (
            f'{IGNORE}reason = "x"\n{IGNORE}reason = "y"',
            '[[audit.ignore]] number 2: no-local-control of "!abc:example.org" is already ignored',
        ),
        (
            '[[audit.ignore]]\nrule = "no-control"\nsubject = "x"\nreason = "x"',
            '[[audit.ignore]] number 1: there is no rule "no-control"; did you mean no-local-control?',
        ),
    ],
)
def test_unknown_option_is_named(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["[audit", "x = ", '[audit]\nskip = ["\x1b[31m'])
def test_invalid_toml_is_one_escaped_line(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^not TOML: ") as caught:
        parse(text)
    assert str(caught.value).isprintable()


def test_hostile_names_are_escaped() -> None:
    with pytest.raises(SettingsError) as caught:
        parse('[audit]\n"\\u001b[31m" = 1')
    assert str(caught.value).startswith('[audit] has no "\\x1b[31m"')


class TestReading:
    def test_error_names_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.toml"
        path.write_text("[audti]")
        with pytest.raises(SettingsError) as caught:
            read(path)
        assert str(caught.value) == f'{path}: the file has no "audti"; did you mean audit?'

    def test_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="No such file"):
            read(tmp_path / "audit.toml")

    def test_binary_file_is_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.toml"
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(SettingsError, match="it is not UTF-8"):
            read(path)

    def test_example_of_the_documentation_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.toml"
        path.write_text(EXAMPLE)
        assert read(path) == parse(EXAMPLE)


class TestRules:
    def test_disabled_rules_do_not_run(self) -> None:
        assert {rule.ID for rule in RULES} - {rule.ID for rule in Config().enabled()} == {
            "dormant-account",
            "delegation",
        }

    def test_enabled_rules_run(self) -> None:
        config = parse("[audit.rules.dormant-account]\nenabled = true")
        assert "dormant-account" in {rule.ID for rule in config.enabled()}

    def test_disabled_or_skipped_rules_do_not_run(self) -> None:
        config = parse('[audit]\nskip = ["weak-control"]\n[audit.rules.ghost-power]\nenabled = false')
        ids = {rule.ID for rule in config.enabled(skip=["old-report"])}
        assert not ids & {"weak-control", "ghost-power", "old-report"}

    def test_rules_named_by_option_run_alone(self) -> None:
        config = parse('[audit]\nskip = ["weak-control"]')
        assert [rule.ID for rule in config.enabled(only=["weak-control"])] == ["weak-control"]

    @pytest.mark.parametrize("option", ["only", "skip"])
    def test_unknown_rule_names_the_nearest(self, option: str) -> None:
        with pytest.raises(UsageError) as caught:
            Config().enabled(**{option: ["weak-contol"]})
        assert str(caught.value) == 'there is no rule "weak-contol"; did you mean weak-control?'

    def test_rule_severity_is_found_by_id(self) -> None:
        assert rule_of("no-local-control") is no_local_control


class TestSeverity:
    def test_severity_of_the_file_is_used(self) -> None:
        config = parse('[audit.rules.no-local-control]\nseverity = "info"')
        assert config.judged(finding()).severity is Severity.INFO

    def test_default_severity_is_the_one_of_the_rule(self) -> None:
        assert Config().judged(finding()) == finding()


class TestIgnoring:
    IGNORE = Ignore(
        rule="no-local-control", subject="!abc:example.org", reason="archive", until=date(2027, 1, 1)
    )

    def test_ignore_entry_needs_rule_and_subject(self) -> None:
        ignored = Ignored([self.IGNORE], today=date(2026, 11, 21))
        assert ignored.covers(finding())
        assert not ignored.covers(finding(subject="!other:example.org"))
        assert not ignored.covers(finding(rule="weak-control"))

    def test_ignore_entry_ends_after_its_last_day(self) -> None:
        assert Ignored([self.IGNORE], today=date(2027, 1, 1)).covers(finding())
        assert not Ignored([self.IGNORE], today=date(2027, 1, 2)).covers(finding())

    def test_ignore_entry_without_a_last_day_does_not_end(self) -> None:
        without_last_day = Ignore(rule="no-local-control", subject="!abc:example.org", reason="archive")
        assert Ignored([without_last_day], today=date(2999, 1, 1)).covers(finding())

    def test_matched_ignore_entries_are_known(self) -> None:
        ignored = Ignored([self.IGNORE], today=date(2026, 11, 21))
        assert [facts.matched for facts in ignored.facts(["no-local-control"])] == [False]
        ignored.covers(finding())
        [facts] = ignored.facts(["no-local-control"])
        assert facts.matched
        assert (facts.reason, facts.until) == ("archive", "2027-01-01")

    def test_ended_ignore_entry_that_matches_is_not_unused(self) -> None:
        ignored = Ignored([self.IGNORE], today=date(2028, 1, 1))
        ignored.covers(finding())
        assert [facts.matched for facts in ignored.facts(["no-local-control"])] == [True]

    def test_ignore_entries_of_rules_that_did_not_run_are_not_unused(self) -> None:
        assert not list(Ignored([self.IGNORE]).facts(["weak-control"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 10_000 + "]" * 10_000, "not TOML: nested too deep"),
        ("[audit.rules.single-controller]\nlocal_members = " + "9" * 5000, "not TOML: a number is too long"),
    ],
)
def test_extreme_toml_is_a_one_line_error(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse(text)


def test_key_with_thousands_of_dots_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    path.write_text("[audit]\na" + ".a" * 100_000 + " = 1\n")
    with pytest.raises(SettingsError, match="line 2 has more than 16 dots"):
        read(path)


def test_dots_in_texts_and_comments_are_not_limited() -> None:
    dots = "." * 100
    text = f'# {dots}\n{IGNORE}reason = "{dots}" # {dots}\n'
    assert parse(text).ignores[0].reason == dots


def test_endless_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        read(Path("/dev/zero"))
