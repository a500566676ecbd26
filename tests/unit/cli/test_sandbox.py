"""`synadmin sandbox` where Synapse is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.invocation import Invocation
from synadmin.sandbox import homeserver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin


@pytest.mark.parametrize("agreed", [False, True])
@pytest.mark.parametrize("verb", ["up", "demo"])
def test_sandbox_asks_before_installing_synapse(
    verb: str, agreed: bool, synadmin: Synadmin, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(_: Invocation, question: str) -> bool:
        asked.append(question)
        return agreed

    script = "import pathlib; pathlib.Path('installed').touch()"
    monkeypatch.setattr(homeserver, "is_synapse_installed", lambda: False)
    monkeypatch.setattr(homeserver, "install_command", lambda: [sys.executable, "-c", script])
    monkeypatch.setattr(Invocation, "on_terminal", property(lambda _: True))
    monkeypatch.setattr(Invocation, "ask", ask)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)

    result = synadmin("sandbox", verb)

    assert result.code == 2
    assert [f"into {sys.prefix} (250 MB)?" in question for question in asked] == [True]
    assert (work / "installed").exists() is agreed
