"""A report of an event or a user that is older than 7 days.

The option `days` sets how old. A report is open until you dismiss it.

Why it matters

A user asked for help and got no answer. Unlawful content that was reported and stays is also a matter
of liability.

What it shows

    The report of an event in !chess:example.org has been open for 9 days.
    (details: about, room_id, reported_user, days)

How to fix it

    synadmin report show 12
    synadmin report dismiss 12

with `--users` for the report of a user.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synadmin.audit.facts import DAY, Need, ReportFacts, ServerFacts
from synadmin.audit.findings import Found, Severity, Subject
from synadmin.text import command

ID = "old-report"
SEVERITY = Severity.WARNING
SUBJECT = ServerFacts
NEEDS = frozenset({Need.REPORTS})
OPTIONS: dict[str, Any] = {"days": 7}


def check(facts: ServerFacts, options: Mapping[str, Any]) -> Iterator[Found]:
    """Yield a finding for each report that has been open for long."""
    for report in facts.reports:
        age = facts.now - report.received
        if age <= options["days"] * DAY:
            continue
        days = age // DAY
        for_days = "1 day" if days == 1 else f"{days} days"
        of_users = ("--users",) if report.about == "user" else ()
        yield Found(
            # Reports of events and reports of users are numbered separately.
            subject=Subject("report", f"{report.about}/{report.id}"),
            message=f"The report of {_about(report)} has been open for {for_days}.",
            fix=command("report", "show", str(report.id), *of_users),
            details={
                "about": report.about,
                "room_id": report.room_id,
                "reported_user": report.reported_user,
                "days": days,
            },
        )


def _about(report: ReportFacts) -> str:
    if report.about == "user":
        return f"{report.reported_user}" if report.reported_user else "a user"
    return f"an event in {report.room_id}" if report.room_id else "an event"
