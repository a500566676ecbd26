"""The jobs that MAS runs after it has answered: deactivations, provisioning, device lists."""

import queue
import threading

from synadmin.sandbox.mas.names import new_id
from synadmin.sandbox.mas.store import MasStore, Record
from synadmin.sandbox.mas.synapse import Provisioner, SynapseError

DEACTIVATE, PROVISION, SYNC = "deactivate-user", "provision-user", "sync-devices"
_TRIES = 11
_AGAIN = 0.1  # seconds until a failed job is tried again; MAS waits 5, then 10, then 20
_LOOK = 0.05  # seconds between two checks whether a worker is switched on again


class Worker:
    """A worker that runs jobs one by one in its own thread. The store keeps jobs until they are done."""

    def __init__(self, store: MasStore, synapse: Provisioner) -> None:
        self._store = store
        self._synapse = synapse
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        """Start the worker, with the jobs that an earlier process has not finished."""
        for job_id in self._store.table("job"):
            self._waiting.put(job_id)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current job."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join()

    def schedule(self, job: str, user: Record, **more: bool) -> None:
        """Add a job for a user. The caller holds the store's lock."""
        job_id = new_id()
        self._store.table("job")[job_id] = {"job": job, "user": user["_id"], "tries": 0, **more}
        self._waiting.put(job_id)

    def _work(self) -> None:
        while (job_id := self._waiting.get()) is not None:
            while not (self._store.knobs.worker or self._stopping.wait(_LOOK)):
                pass
            if self._stopping.is_set():
                return
            self._run(job_id)
            self._store.save()

    def _run(self, job_id: str) -> None:
        with self._store.lock:
            job = self._store.table("job")[job_id]
            fails = self._store.knobs.failures > 0
            self._store.knobs.failures -= fails
        try:
            done = not fails
            if done:
                self._do(job)
        except SynapseError:
            done = False
        if not done:
            job["tries"] += 1
            if job["tries"] < _TRIES:
                threading.Timer(_AGAIN, self._waiting.put, (job_id,)).start()
                return
        with self._store.lock:
            del self._store.table("job")[job_id]

    def _do(self, job: Record) -> None:
        store, synapse = self._store, self._synapse
        with store.lock:
            user = dict(store.table("user")[job["user"]])
            if job["job"] == DEACTIVATE:
                store.end_all(user["_id"])
                emails = store.table("user-email")
                for email in [record for record in emails.values() if record["user_id"] == user["_id"]]:
                    del emails[email["_id"]]
            addresses = [
                record["email"]
                for record in store.table("user-email").values()
                if record["user_id"] == user["_id"]
            ]
            devices = store.devices(user["_id"])
        localpart = user["username"]
        if job["job"] == DEACTIVATE:
            synapse.post("delete_user", localpart=localpart, erase=job["erase"])
        elif job["job"] == PROVISION:
            locked = user["locked_at"] is not None
            synapse.post("provision_user", localpart=localpart, set_emails=addresses, locked=locked)
            with store.lock:
                self.schedule(SYNC, user)
        else:
            synapse.post("sync_devices", localpart=localpart, devices=devices)
