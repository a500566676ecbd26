"""Fixtures of the recovery tests: a client that writes a journal, and an observer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.journal import Journal
from synadmin.recovery.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.stub import Stub


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite3")


@pytest.fixture
def synapse(stub: Stub, journal: Journal) -> Iterator[Synapse]:
    with Synapse(stub.url, token="syt_token", journal=journal) as client:
        yield client


@pytest.fixture
def observer(synapse: Synapse) -> Observer:
    return Observer(synapse)
