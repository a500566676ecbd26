"""Jobs of the stand-in for MAS run after the answer, and again where they fail."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.sandbox.mas.jobs import DEACTIVATE, PROVISION, Worker
from synadmin.sandbox.mas.store import COMPAT, MasStore, has_ended
from synadmin.sandbox.mas.synapse import Provisioner, SynapseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class FakeSynapse(Provisioner):
    """A homeserver that accepts every request at once, or fails a given number of times."""

    def __init__(self) -> None:
        super().__init__(lambda: "http://127.0.0.1:1", "secret")
        self.failures = 0

    def post(self, operation: str, **body: Any) -> None:  # noqa: ANN401 - any JSON
        self.asked.append((operation, body))
        if self.failures:
            self.failures -= 1
            raise SynapseError(operation)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


@pytest.fixture
def store() -> MasStore:
    return MasStore()


@pytest.fixture
def synapse() -> FakeSynapse:
    return FakeSynapse()


@pytest.fixture
def worker(store: MasStore, synapse: FakeSynapse) -> Iterator[Worker]:
    worker = Worker(store, synapse)
    worker.start()
    yield worker
    worker.stop()


def test_deactivation_ends_sessions_and_removes_addresses(
    store: MasStore, synapse: FakeSynapse, worker: Worker
) -> None:
    user = store.add_user("rose")
    session = store.add_session(COMPAT, {"user_id": user["_id"], "device_id": "D"})
    store.add("user-email", {"user_id": user["_id"], "email": "rose@example.org"})
    with store.lock:
        worker.schedule(DEACTIVATE, user, erase=False)
    wait_until(lambda: not store.table("job"))
    assert synapse.asked == [("delete_user", {"localpart": "rose", "erase": False})]
    assert has_ended(session)
    assert store.table("user-email") == {}


def test_provisioning_sends_addresses_and_lock_then_devices(
    store: MasStore, synapse: FakeSynapse, worker: Worker
) -> None:
    user = store.add_user("rose") | {"locked_at": "2026-01-01T00:00:00Z"}
    store.table("user")[user["_id"]] = user
    store.add_session(COMPAT, {"user_id": user["_id"], "device_id": "D"})
    with store.lock:
        worker.schedule(PROVISION, user)
    wait_until(lambda: not store.table("job") and len(synapse.asked) > 1)
    assert synapse.asked == [
        ("provision_user", {"localpart": "rose", "set_emails": [], "locked": True}),
        ("sync_devices", {"localpart": "rose", "devices": ["D"]}),
    ]


def test_failed_job_is_repeated(store: MasStore, synapse: FakeSynapse, worker: Worker) -> None:
    synapse.failures = 2
    store.knobs.failures = 1
    with store.lock:
        worker.schedule(DEACTIVATE, store.add_user("rose"), erase=True)
    wait_until(lambda: not store.table("job"))
    assert [operation for operation, _ in synapse.asked] == ["delete_user"] * 3


def test_jobs_survive_a_restart(tmp_path: Path) -> None:
    before, synapse = MasStore(tmp_path / "store.json"), FakeSynapse()
    before.knobs.worker = False
    with before.lock:
        Worker(before, synapse).schedule(DEACTIVATE, before.add_user("rose"), erase=False)
    before.save()
    after = MasStore(tmp_path / "store.json")
    assert after.user_named("ROSE") is not None
    worker = Worker(after, synapse)
    worker.start()
    assert threading.active_count() > 1
    assert synapse.asked == []
    after.knobs.worker = True
    wait_until(lambda: not after.table("job"))
    worker.stop()
    assert [operation for operation, _ in synapse.asked] == ["delete_user"]
