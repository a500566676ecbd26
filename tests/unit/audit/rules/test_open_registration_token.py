"""Registration tokens without an expiry and without a limit of uses."""

from __future__ import annotations

from synadmin.audit.facts import TokenFacts
from synadmin.audit.rules import open_registration_token as rule
from tests.unit.audit.rules.case import NOW, finding, server

_LABEL = "abcd…1f3a"
FOUND = server(tokens=(TokenFacts(label=_LABEL, unlimited=True, expires=None, used=17),))
PASSED = {
    "the token expires": server(tokens=(TokenFacts(label=_LABEL, unlimited=True, expires=NOW, used=0),)),
    "the token has a limit of uses": server(
        tokens=(TokenFacts(label=_LABEL, unlimited=False, expires=None, used=0),)
    ),
    "there are no tokens": server(),
    "the server has no registration tokens": server(tokens=None),
}


def test_finding_does_not_show_the_token() -> None:
    found = finding(rule, FOUND)
    assert found.subject.id == _LABEL
    assert found.fix == "synadmin registration-token list --valid"
