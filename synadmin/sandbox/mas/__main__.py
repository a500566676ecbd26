"""Run the stand-in in a separate process: ``python -m synadmin.sandbox.mas tethered|free DIRECTORY``.

DIRECTORY is that of the Synapse that delegates to the stand-in, which prints its port when it is ready.
``tethered``: it ends with the process that started it, which holds the other end of its standard input.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from synadmin.sandbox.mas.server import AuthenticationService
from synadmin.sandbox.process import port_is_free

FOLDER, RECORD, STORE = "mas", "service.json", "store.json"


def main(mode: str, directory: Path) -> None:
    """Serve requests until the process is ended."""

    def facts() -> dict[str, Any]:
        record: dict[str, Any] = json.loads((directory / "sandbox.json").read_text("utf-8"))
        return record

    record = json.loads((directory / FOLDER / RECORD).read_text("utf-8"))
    service = AuthenticationService(
        lambda: f"http://127.0.0.1:{facts()['port']}",
        lambda: facts()["server_name"],
        port=record["port"] if port_is_free(record["port"]) else 0,  # 0: any free port
        secret=record["secret"],
        client_secret=record["client_secret"],
        path=directory / FOLDER / STORE,
    ).start()
    print(service.port, flush=True)  # noqa: T201 - the parent reads it
    # The parent has blocked these signals until it had recorded this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    if mode == "tethered":
        while os.read(sys.stdin.fileno(), 1):
            pass  # nothing is written: an empty read means that the pipe has closed
    else:
        while True:
            signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
