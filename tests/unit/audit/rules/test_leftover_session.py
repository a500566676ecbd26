"""Sessions that a run of synadmin has not ended."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.facts import SessionFacts
from synadmin.audit.rules import leftover_session as rule
from tests.unit.audit.rules.case import NOW, days_ago, finding, server
from tests.unit.power.rooms import BOB

RUN = "20261121T093000-a1b2c3"
SESSION = SessionFacts(
    id="01SESSION",
    kind="personal",
    name=f"synadmin {RUN}-1",
    user_id=BOB,
    may_be_admin=False,
    is_admin=False,
    created=days_ago(1),
    expires=days_ago(1),
)
FOUND = server(mas_sessions=(SESSION,))
PASSED = {
    "the session has not expired": server(mas_sessions=(replace(SESSION, expires=NOW + 1),)),
    "another program created the session": server(
        mas_sessions=(replace(SESSION, name="synadmin login on host"),)
    ),
    "there is no session": server(),
}


def test_finding_names_the_run() -> None:
    found = finding(rule, FOUND)
    assert found.message == f"The run {RUN} has left a session of {BOB}."
    assert found.details["run"] == RUN
