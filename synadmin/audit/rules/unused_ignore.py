"""An ignore in the configuration that matches nothing.

Told only by an audit that looked at everything the ignored rule is about.

Why it matters

What it was written for has been mended, or its subject is misspelled. In both cases it will one day hide
something that nobody knows of.

What it shows

    The ignore of no-local-control for !chess:example.org matches nothing (reason given: archive).
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
from synadmin.audit.findings import Finding, Severity, Subject

ID = "unused-ignore"
SEVERITY = Severity.WARNING
SUBJECT = IgnoreFacts
OPTIONS: dict[str, Any] = {}


def check(facts: IgnoreFacts, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """Find an ignore that matches nothing."""
    if facts.matched:
        return
    yield Finding(
        rule=ID,
        severity=SEVERITY,
        subject=Subject("ignore", facts.subject, facts.rule),
        message=f"The ignore of {facts.rule} for {facts.subject} matches nothing "
        f"(reason given: {facts.reason}).",
        details={"reason": facts.reason, "until": facts.until},
        part=facts.rule,
    )
