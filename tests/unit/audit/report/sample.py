"""A sample report with findings of several rules, some with hostile names."""

from __future__ import annotations

from synadmin.audit.facts import DAY
from synadmin.audit.findings import Finding, Severity, Skipped, Subject
from synadmin.audit.report import ControlledRoom, PastRun, Report, Reported, RuleError
from synadmin.audit.rules import RULES
from synadmin.ids import UserId
from tests.unit.audit.rules.case import NOW

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    '"><img src=x onerror="document.title = \'owned\'">',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</script><script>alert(1)</script>",
    "</style><svg onload=alert(1)>",
    "javascript:alert(1)",
    "]]> --> &lt;b&gt;",
    "\x1b[31mred\x1b[0m \u202egnp.exe \x00",
    "| a | b |\n# heading",
    "`code` [link](https://evil.example) ![image](https://evil.example/x.png) @room www.evil.example",
)


def finding(
    rule: str, severity: Severity, name: str | None, number: int, *, fix: str | None = None
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        subject=Subject("room", f"!room{number}:example.org", name),
        message=f"Something is wrong with {name or 'it'}.",
        fix=fix,
        details={"number": number},
    )


def controlled(number: int, name: str) -> list[ControlledRoom]:
    """Return rooms that a user controls, each third one together with other users."""
    return [
        ControlledRoom(Subject("room", f"!room{place}:example.org", name), alone=place % 3 != 0)
        for place in range(number)
    ]


def report(*, names: tuple[str, ...] = HOSTILE, baseline: bool = True) -> Report:
    """Return a report on rooms with these names, and on five rooms with harmless names."""
    hostile = [
        finding(
            "no-local-control",
            Severity.ERROR,
            name,
            number,
            fix=f"synadmin room make-admin '!room{number}:example.org' --allow impersonate",
        )
        for number, name in enumerate(names)
    ]
    harmless = [
        finding("single-controller", Severity.WARNING, "Chess club", 101),
        finding("single-controller", Severity.WARNING, "Board", 102),
        finding("weak-control", Severity.WARNING, None, 103),
        finding("departed-power", Severity.INFO, "Archive 10", 104),
        finding("departed-power", Severity.INFO, "Archive 9", 105),
    ]
    found = [*hostile, *harmless]
    first = names[0] if names else "Chess"
    return Report(
        server_name="example.org",
        started_at=NOW - 2500,
        finished_at=NOW,
        checked={"rooms": 120, "users": 37},
        skipped=[Skipped(subject=Subject("room", "!gone:example.org", first), reason=f"vanished {first}")]
        if baseline
        else [],
        findings=[Reported(item, not baseline or number % 3 != 0) for number, item in enumerate(found)],
        solved=[finding("ghost-power", Severity.ERROR, first, 201)] if baseline else [],
        errors=[RuleError(rule="old-report", subject=Subject("server", first), error=f"KeyError: {first}")]
        if baseline
        else [],
        history=[
            PastRun(
                at=NOW - day * DAY, counts={Severity.ERROR: day % 5, Severity.WARNING: 7, Severity.INFO: day}
            )
            for day in range(20, 0, -1)
        ]
        if baseline
        else [],
        controllers={
            **{UserId(f"@user{number}:example.org"): controlled(40 - number, first) for number in range(18)},
            UserId(f"@{first}:example.org"): controlled(99, first),
        },
        rules=[rule.ID for rule in RULES],
    )
