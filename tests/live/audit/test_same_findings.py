"""An audit asks about few accounts, and finds what one finds that asks about each user with power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit.gather import account_index, room_facts
from tests.live.audit.conftest import findings_here

if TYPE_CHECKING:
    from synadmin.audit.findings import Finding
    from synadmin.sandbox.community import Community
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.audit.conftest import Town


@pytest.mark.parametrize("few", [1000, 0], ids=["small server", "large server"])
def test_findings_on_the_random_server_are_unchanged(
    town: Town, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", few)
    found = findings_here(town.server)
    assert len({finding.rule for finding in found}) > 10
    assert _unseen(found) == _unseen(findings_here(town.server, everybody=True))


def test_findings_on_the_sandbox_are_unchanged(homeserver: Homeserver, community: Community) -> None:
    found = findings_here(homeserver)
    assert {finding.subject.id for finding in found} & set(community.rooms.values())
    # Synapse writes down a few seconds later when an account was used: perhaps between the two audits.
    assert _unseen(found) == _unseen(findings_here(homeserver, everybody=True))


def _unseen(findings: list[Finding]) -> list[Finding]:
    """Return findings without when the accounts in them were last used."""
    return [replace(finding, details=_without_seen(finding.details)) for finding in findings]


def _without_seen(value: Any) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        return {key: _without_seen(item) for key, item in value.items() if key != "seen"}
    return [_without_seen(item) for item in value] if isinstance(value, list) else value
