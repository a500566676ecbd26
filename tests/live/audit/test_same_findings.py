"""An audit that reads few accounts has the same findings as one that reads every account with power."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit.gather import account_index, room_facts
from tests.live.audit.conftest import findings_in_process

if TYPE_CHECKING:
    from synadmin.audit.findings import Finding
    from synadmin.sandbox.community import Community
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.audit.conftest import AuditServer


@pytest.mark.parametrize("few", [1000, 0], ids=["small server", "large server"])
def test_findings_on_the_audit_server_are_the_same(
    audit_server: AuditServer, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", few)
    findings = findings_in_process(audit_server.server)
    assert len({finding.rule for finding in findings}) > 10
    assert _without_last_use(findings) == _without_last_use(
        findings_in_process(audit_server.server, check_all_controllers=True)
    )


def test_findings_on_the_sandbox_are_the_same(homeserver: Homeserver, community: Community) -> None:
    findings = findings_in_process(homeserver)
    assert {finding.subject.id for finding in findings} & set(community.rooms.values())
    # Synapse records the last use of an account with a delay, perhaps between the two audits.
    assert _without_last_use(findings) == _without_last_use(
        findings_in_process(homeserver, check_all_controllers=True)
    )


def _without_last_use(findings: list[Finding]) -> list[Finding]:
    """Return the findings without the times when their accounts were last used."""
    return [replace(finding, details=_details_without_last_use(finding.details)) for finding in findings]


def _details_without_last_use(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _details_without_last_use(item) for key, item in value.items() if key != "seen"}
    return [_details_without_last_use(item) for item in value] if isinstance(value, list) else value
