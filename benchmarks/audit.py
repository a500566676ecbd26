"""Measure the time and the memory of an audit, compared with the fastest possible requests.

    python benchmarks/audit.py [--rooms 1000] [--people 50] [--rounds 5] [--directory DIR]

Starts a real Synapse with that many rooms. These commands run alternately, so that other load on the machine
affects all of them: `wrk` (Debian's package), which requests the power levels of each room with eight
connections; `synadmin audit` with a concurrency of eight; with `--synadm PATH`, `synadm room power-levels`.
Then the audit runs through a proxy that adds 50 ms to each request, with several concurrencies. Last, its
memory is measured on a stand-in for a server of 100,000 rooms. Exits with 1 if a claim does not hold. The
creation of the rooms takes most of the time: `--directory` keeps the server for the next run.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from synadmin.sandbox.homeserver import Homeserver

MAX_RATIO = 1.25
MAX_MEMORY_MB = 80
CONCURRENCY = 8
DELAY = 0.05  # seconds
CONCURRENCIES = (2, 4, 8, 16)
ROOT = Path(__file__).parents[1]
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
# Request each path in the file, then start again with the first path.
WRK = """
local paths, at = {}, 0
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
request = function() at = at % #paths + 1; return wrk.format("GET", paths[at]) end
"""


def main() -> int:
    """Measure, print the results, and return 1 if a claim does not hold."""
    parser = argparse.ArgumentParser(
        description="Measure the time of an audit, compared with wrk and synadm, and its memory."
    )
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument(
        "--people", type=int, default=50, help="number of users; each creates the same number of rooms"
    )
    parser.add_argument("--version", default="11", help="room version")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="keep the server in this directory for the next run")
    parser.add_argument(
        "--synadm", help="path of synadm, which is installed in a separate virtual environment"
    )
    options = parser.parse_args()
    with Homeserver(options.directory) as server, tempfile.TemporaryDirectory() as scratch:
        rooms = create_rooms(server, options)
        claims = [compare_with_wrk(server, rooms, Path(scratch), options)]
        claims.append(measure_concurrencies(server, rooms))
    claims.append(measure_memory())
    return 0 if all(claims) else 1


def create_rooms(server: Homeserver, options: argparse.Namespace) -> list[str]:
    """Return the rooms of the server; create the missing rooms."""
    people = [server.register(f"member-{number}") for number in range(options.people)]
    listed = server.admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": options.rooms})["rooms"]
    rooms = [room["room_id"] for room in listed]

    def make(number: int) -> str:
        return people[number % len(people)].create_room(f"Room {number}", version=options.version)

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for room in pool.map(make, range(len(rooms), options.rooms)):
            rooms.append(room)
            if len(rooms) % 100 == 0:
                print(f"{len(rooms)} rooms", file=sys.stderr)
    return rooms


def compare_with_wrk(
    server: Homeserver, rooms: list[str], scratch: Path, options: argparse.Namespace
) -> bool:
    """Compare the audit with wrk and synadm on the same server; return whether the claim holds."""
    wrk = Wrk(server, rooms, scratch)
    audit(server.url, server)
    wrk.seconds()  # the first runs fill the caches of the server
    durations: dict[str, list[float]] = {"wrk": [], "synadmin audit": [], "synadm": []}
    ratios: list[float] = []
    for _ in range(options.rounds):
        before, run, after = wrk.seconds(), audit(server.url, server), wrk.seconds()
        wrk_duration = (before + after) / 2
        durations["wrk"].append(wrk_duration)
        durations["synadmin audit"].append(run)
        ratios.append(run / wrk_duration)
        if options.synadm:
            durations["synadm"].append(synadm(options.synadm, server, len(rooms), scratch))
    print(f"{len(rooms)} rooms of {options.people} users, room version {options.version}:")
    ratio = statistics.median(ratios)
    for name, seconds in durations.items():
        if seconds:
            print(f"  {name:24} {statistics.median(seconds):6.2f} s")
    print(f"  audit, compared with wrk {ratio:6.2f} x  (wrk requests only the power levels)")
    if durations["synadm"]:
        faster = statistics.median(durations["synadm"]) / statistics.median(durations["synadmin audit"])
        print(f"  synadm, compared with the audit {faster:6.2f} x")
    print(f"claim, at most {MAX_RATIO} x: {'yes' if ratio <= MAX_RATIO else 'NO'}\n")
    return ratio <= MAX_RATIO


class Wrk:
    """Runs wrk, which requests the power levels of all rooms repeatedly."""

    def __init__(self, server: Homeserver, rooms: list[str], scratch: Path) -> None:
        self._rooms = len(rooms)
        self._script, self._paths = scratch / "rooms.lua", scratch / "paths"
        self._script.write_text(WRK, "utf-8")
        lines = (
            f"/_synapse/admin/v1/rooms/{quote(room, safe='')}/state?type=m.room.power_levels\n"
            for room in rooms
        )
        self._paths.write_text("".join(lines), "utf-8")
        self._command = ["wrk", "-t1", f"-c{CONCURRENCY}", "-s", str(self._script), "-d3s", server.url]
        self._command += ["-H", f"Authorization: Bearer {server.admin.token}"]

    def seconds(self) -> float:
        """Return the seconds of wrk for one request for each room."""
        environment = os.environ | {"PATHS": str(self._paths)}
        completed = subprocess.run(self._command, env=environment, capture_output=True, text=True, check=True)
        if "Non-2xx" in completed.stdout:
            sys.exit(completed.stdout)
        rate = re.search(r"Requests/sec: *([0-9.]+)", completed.stdout)
        if rate is None:
            sys.exit(completed.stdout)
        return self._rooms / float(rate[1])


def audit(url: str, server: Homeserver, *, concurrency: int = CONCURRENCY) -> float:
    """Audit a server; return the elapsed seconds of the process."""
    started = time.perf_counter()
    subprocess.run(
        [SYNADMIN, "audit", "--fail-on", "never"],
        env=environment(url, server.admin.token, server.directory, concurrency),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


def environment(url: str, token: str, home: Path, concurrency: int) -> dict[str, str]:
    """Return an environment that configures only the server."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SYNADMIN_HOMESERVER": url,
        "SYNADMIN_ACCESS_TOKEN": token,
        "SYNADMIN_CONCURRENCY": str(concurrency),
    }


def synadm(command: str, server: Homeserver, rooms: int, scratch: Path) -> float:
    """List the power levels of all rooms with synadm; return the seconds."""
    config = scratch / "synadm.json"
    config.touch(mode=0o600)
    settings = {
        "user": "admin",
        "token": server.admin.token,
        "base_url": server.url,
        "admin_path": "/_synapse/admin",
        "matrix_path": "/_matrix",
        "timeout": 30,
        "server_discovery": "well-known",
        "homeserver": "auto-retrieval",
        "format": "json",
        "ssl_verify": True,
    }
    config.write_text(json.dumps(settings), "utf-8")  # JSON is YAML
    started = time.perf_counter()
    subprocess.run(
        [command, "-c", str(config), "--batch", "-o", "json", "room", "power-levels", "--limit", str(rooms)],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


def measure_concurrencies(server: Homeserver, rooms: list[str]) -> bool:
    """Audit through a proxy that adds a delay, with several concurrencies; return whether the claim holds."""
    durations: dict[int, float] = {}
    with delaying_proxy(server.url) as url:
        for concurrency in CONCURRENCIES:
            durations[concurrency] = audit(url, server, concurrency=concurrency)
    print(f"{len(rooms)} rooms, {DELAY * 1000:.0f} ms added to each request:")
    for concurrency, seconds in durations.items():
        speed = durations[CONCURRENCIES[0]] / seconds
        print(f"  concurrency {concurrency:3} {seconds:8.2f} s  {speed:5.2f} x as fast")
    # With a high concurrency, the server is the limit: so the claim allows 75 % of the ideal speed.
    scales = durations[CONCURRENCIES[0]] / durations[CONCURRENCY] > CONCURRENCY / CONCURRENCIES[0] * 0.75
    print(f"claim, faster with a concurrency up to {CONCURRENCY}: {'yes' if scales else 'NO'}\n")
    return scales


@contextmanager
def delaying_proxy(url: str) -> Iterator[str]:
    """Run a proxy that forwards each request after a delay; yield its base URL."""
    address = urlsplit(url)
    ready = threading.Event()
    ports: list[int] = []
    loop = asyncio.new_event_loop()

    async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
        while received := await source.read(65_536):
            await asyncio.sleep(delay)
            sink.write(received)
        sink.close()

    async def handle_client(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(forward(source, requests, DELAY), forward(answers, sink, 0))

    async def serve() -> None:
        proxy = await asyncio.start_server(handle_client, "127.0.0.1", 0)
        ports.append(proxy.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait()
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(loop.stop)


def measure_memory() -> bool:
    """Audit a stand-in for a server of 100,000 rooms; return whether the peak memory is small enough."""
    standin = subprocess.Popen(
        [sys.executable, "-m", "tests.standin", "--rooms", "100000", "--users", "200000", "--direct", "60"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with standin, tempfile.TemporaryDirectory() as home:
        if standin.stdin is None or standin.stdout is None:
            return False
        url = standin.stdout.readline().strip()
        started = time.perf_counter()
        audit_process = subprocess.Popen(
            [SYNADMIN, "audit", "rooms", "--fail-on", "never", "-o", "ndjson"],
            env=environment(url, "token", Path(home), CONCURRENCY),
            stdout=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(audit_process.pid, 0)
        seconds = time.perf_counter() - started
        standin.stdin.close()
    peak = usage.ru_maxrss / 1000
    print("100,000 rooms and 200,000 users, on a stand-in:")
    print(f"  {seconds:.0f} s, peak memory {peak:.0f} MB")
    print(f"claim, less than {MAX_MEMORY_MB} MB: {'yes' if peak < MAX_MEMORY_MB else 'NO'}")
    return status == 0 and peak < MAX_MEMORY_MB


if __name__ == "__main__":
    sys.exit(main())
