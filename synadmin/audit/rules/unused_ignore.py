"""An ignore in the configuration that matches nothing.

It is reported only by an audit that checked everything that the ignored rule is about.

Why it matters

The problem was solved, or the subject is misspelled. In both cases the ignore may hide something else one
day.

What it shows

    The ignore of no-local-control for !chess:example.org matches nothing (its reason: archive).
    (details: reason, until)

How to fix it

Remove it from the configuration:

    [[audit.ignore]]
    rule = "no-local-control"
    subject = "!chess:example.org"
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import IgnoreFacts
from synadmin.audit.findings import Found, Severity

ID = "unused-ignore"
SEVERITY = Severity.WARNING
SUBJECT = IgnoreFacts
NEEDS = frozenset[Any]()
OPTIONS: dict[str, Any] = {}


def check(facts: IgnoreFacts, _options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for an ignore that matches nothing."""
    if facts.matched:
        return
    yield Found(
        message=f"The ignore of {facts.rule} for {facts.subject} matches nothing "
        f"(its reason: {facts.reason}).",
        details={"reason": facts.reason, "until": facts.until},
        part=facts.rule,
    )
