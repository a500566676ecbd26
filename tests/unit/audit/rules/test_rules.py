"""Each rule is listed, documented and tested, and the commands on its page exist."""

from __future__ import annotations

import pkgutil
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import pytest

from synadmin.audit import rules
from synadmin.audit.facts import Facts, Need
from synadmin.audit.findings import Finding, Severity
from synadmin.audit.gather import room_facts, server_facts
from synadmin.audit.rules import HEADINGS, RULES, Rule, page
from synadmin.cli.app import app
from tests.unit.audit.rules.case import findings

if TYPE_CHECKING:
    from types import ModuleType

# Facts that are read for single accounts, or passed in by the command.
READ_ELSEWHERE = {Need.ACCOUNT_DETAILS, Need.DELEGATION}
IDS = [rule.ID for rule in RULES]
each_rule = pytest.mark.parametrize("rule", RULES, ids=IDS)


def _tests_of(rule: Rule) -> ModuleType:
    """Return the module with the tests of a rule.

    Raises:
        LookupError: the module lacks FOUND or PASSED, or does not exist. This stops the test collection.
    """
    name = f"test_{rule.ID.replace('-', '_')}"
    try:
        tests = import_module(f"tests.unit.audit.rules.{name}")
    except ModuleNotFoundError:
        message = f"the rule {rule.ID} has no tests: write tests/unit/audit/rules/{name}.py"
        raise LookupError(message) from None
    if not (hasattr(tests, "FOUND") and hasattr(tests, "PASSED")):
        message = (
            f"{name}.py needs FOUND (facts with a finding) and PASSED "
            "(facts without one, each under a sentence that says why)"
        )
        raise LookupError(message)
    return tests


def _example_findings(rule: Rule) -> list[Finding]:
    tests = _tests_of(rule)
    return findings(rule, tests.FOUND, **getattr(tests, "OPTIONS", {}))


PASSES = [(rule, why, facts) for rule in RULES for why, facts in _tests_of(rule).PASSED.items()]


def test_every_rule_module_is_listed_once() -> None:
    modules = sorted(module.name for module in pkgutil.iter_modules(rules.__path__))
    listed = sorted(rule.ID.replace("-", "_") for rule in RULES)

    assert listed == modules, "RULES in synadmin/audit/rules/__init__.py lists each module once"


def test_facts_that_a_rule_needs_are_read() -> None:
    read = {*room_facts.ASK, *server_facts.ASK, *READ_ELSEWHERE}

    assert [need.name for need in Need if need not in read] == [], (
        "no function asks for these: add one to ASK of gather/room_facts.py or gather/server_facts.py"
    )


def test_every_rule_test_has_its_rule() -> None:
    tested = {path.stem for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).stem}
    assert tested == {f"test_{name.replace('-', '_')}" for name in IDS}


@each_rule
def test_rule_finds_its_examples(rule: Rule) -> None:
    found = _example_findings(rule)
    assert found
    for example in found:
        assert example.rule == rule.ID
        assert example.severity is rule.SEVERITY
        assert example.subject.id
        assert example.message.endswith(".")


@pytest.mark.parametrize(
    ("rule", "why", "facts"), PASSES, ids=[f"{rule.ID}: {why}" for rule, why, _ in PASSES]
)
def test_rule_passes_its_counterexamples(rule: Rule, why: str, facts: Facts) -> None:
    assert not findings(rule, facts, **getattr(_tests_of(rule), "OPTIONS", {})), why


@each_rule
def test_rule_has_an_example_and_a_counterexample(rule: Rule) -> None:
    tests = _tests_of(rule)
    assert rule.SUBJECT in get_args(Facts)
    assert isinstance(tests.FOUND, rule.SUBJECT)
    assert tests.PASSED
    assert all(isinstance(facts, rule.SUBJECT) for facts in tests.PASSED.values())


@each_rule
def test_rule_page_has_all_parts(rule: Rule) -> None:
    text = page(rule)
    missing = [heading for heading in HEADINGS if f"\n### {heading}\n\n" not in text]
    assert missing == [], "each of these headings needs a separate line in the docstring of the rule"
    assert len((rule.__doc__ or "").partition("\n")[0]) < 110
    assert f"[audit.rules.{rule.ID}]" in text


@each_rule
def test_rule_page_shows_a_real_finding(rule: Rule) -> None:
    _, _, after = page(rule).partition("### What it shows")
    shown, _, _ = after.partition("###")
    assert any(example.message in " ".join(shown.split()) for example in _example_findings(rule)), (
        "the message below `What it shows` in the docstring is the one of a finding in FOUND"
    )


@each_rule
def test_rule_page_names_the_details(rule: Rule) -> None:
    listed = re.findall(r"\(details: ([^)]*)\)", page(rule))
    assert len(listed) == 1, "below `What it shows` the docstring has a line `(details: name, name)`"
    [named] = listed
    names = {
        name.strip().partition(" each")[0] for name in named.split(",") if not name.strip().startswith("each")
    }
    assert all(set(example.details) == names for example in _example_findings(rule))


def _commands_of(rule: Rule) -> list[str]:
    """Return the commands on the page of a rule, and the fixes of its findings."""
    lines = [line.strip() for line in page(rule).splitlines()]
    commands = [line for line in lines if line.startswith("synadmin ")]
    commands += re.findall(r"`(synadmin [^`]*)`", page(rule))
    return commands + [example.fix for example in _example_findings(rule) if example.fix]


@each_rule
def test_commands_of_a_rule_can_be_typed(rule: Rule) -> None:
    for line in _commands_of(rule):
        words = shlex.split(line)[1:]
        command: click.Command = app
        context: Any = click.Context(app)
        while isinstance(command, click.Group) and words:
            following = command.get_command(context, words[0])
            assert following is not None, line
            command, words = following, words[1:]
            context = click.Context(command, parent=context)
        names = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= names, line


@each_rule
def test_rule_severity_can_be_configured(rule: Rule) -> None:
    assert isinstance(rule.SEVERITY, Severity)
