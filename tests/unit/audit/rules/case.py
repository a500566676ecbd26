"""Facts for the tests of rules: the room Chess, which Alice created, accounts, and the server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from synadmin.audit.facts import DAY, AccountFacts, RoomFacts, ServerFacts
from synadmin.audit.rules import findings_of
from synadmin.ids import RoomId
from tests.unit.power import rooms
from tests.unit.power.rooms import ADMIN, HERE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.audit.facts import Facts
    from synadmin.audit.findings import Finding
    from synadmin.audit.rules import Rule
    from synadmin.ids import UserId

NOW = int(datetime(2026, 11, 21, 9, 30, tzinfo=UTC).timestamp() * 1000)
CHESS = RoomId("!chess:example.org")


def days_ago(days: int) -> int:
    return NOW - days * DAY


def noon_of(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp() * 1000)


def chess(
    memberships: Mapping[UserId, str],
    *,
    seen: Mapping[UserId, int | None] | None = None,
    facts: Mapping[str, Any] | None = None,
    **view: Any,  # noqa: ANN401
) -> RoomFacts:
    """Return the facts about the room Chess; ``view`` goes to `room` of tests/unit/power/rooms.py."""
    accounts = {
        user: AccountFacts(user_id=user, seen=at, created=at, now=NOW) for user, at in (seen or {}).items()
    }
    known = rooms.room(memberships, **{"room_id": CHESS, **view})
    return RoomFacts(view=known, name="Chess", accounts=accounts, caller=ADMIN, now=NOW, **(facts or {}))


def account(user: UserId, **fields: Any) -> AccountFacts:  # noqa: ANN401
    return AccountFacts(user_id=user, **{"created": noon_of(2020, 1, 1), "seen": NOW, "now": NOW, **fields})


def server(**fields: Any) -> ServerFacts:  # noqa: ANN401
    return ServerFacts(server_name=HERE, now=NOW, **fields)


def findings(rule: Rule, facts: Facts, **options: Any) -> list[Finding]:  # noqa: ANN401
    """Return the findings of a rule; ``options`` replace its defaults."""
    return list(findings_of(rule, facts, {**rule.OPTIONS, **options}))


def finding(rule: Rule, facts: Facts, **options: Any) -> Finding:  # noqa: ANN401
    """Return the only finding of a rule."""
    [found] = findings(rule, facts, **options)
    return found
