"""How long an audit takes, against the least that it could take, and how much memory.

    python benchmarks/audit.py [--rooms 1000] [--people 50] [--rounds 5] [--directory DIR]

On a real Synapse with that many rooms, in turn, so that whatever else the machine does strikes them alike:
`wrk` (Debian's package) asking for the power levels of each room once with eight connections, `synadmin
audit` with a concurrency of eight, and with `--synadm PATH` `synadm room power-levels`. Then the audit
through a proxy that adds 50 ms to each request, with pools of several sizes; and its memory on a stand-in
for a server of 100,000 rooms. Ends with 1 where a claim does not hold. To make the rooms takes longest:
with `--directory` they are kept for the next time.
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

MOST = 1.25
MOST_MEMORY = 80  # MB
AT_ONCE = 8
DELAY = 0.05  # seconds
POOLS = (2, 4, 8, 16)
ROOT = Path(__file__).parents[1]
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
# Each line of the file that it is given is asked for once, then the first again.
WRK = """
local paths, at = {}, 0
for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
request = function() at = at % #paths + 1; return wrk.format("GET", paths[at]) end
"""


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="An audit against wrk, against synadm, and its memory.")
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--people", type=int, default=50, help="who have made the rooms, each as many")
    parser.add_argument("--version", default="11", help="of the rooms")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where the server is kept for the next time")
    parser.add_argument("--synadm", help="the command; from PyPI, in a virtual environment of its own")
    options = parser.parse_args()
    with Homeserver(options.directory) as server, tempfile.TemporaryDirectory() as scratch:
        rooms = filled(server, options)
        claims = [against_the_server(server, rooms, Path(scratch), options)]
        claims.append(with_a_delay(server, rooms))
    claims.append(memory())
    return 0 if all(claims) else 1


def filled(server: Homeserver, options: argparse.Namespace) -> list[str]:
    """Return the server's rooms, made now where there are too few."""
    people = [server.register(f"member-{number}") for number in range(options.people)]
    listed = server.admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": options.rooms})["rooms"]
    rooms = [room["room_id"] for room in listed]

    def make(number: int) -> str:
        return people[number % len(people)].create_room(f"Room {number}", version=options.version)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for room in pool.map(make, range(len(rooms), options.rooms)):
            rooms.append(room)
            if len(rooms) % 100 == 0:
                print(f"{len(rooms)} rooms", file=sys.stderr)
    return rooms


def against_the_server(
    server: Homeserver, rooms: list[str], scratch: Path, options: argparse.Namespace
) -> bool:
    """Compare the audit with what wrk and synadm take on the same server."""
    wrk = Wrk(server, rooms, scratch)
    audit(server.url, server)
    wrk.seconds()  # both have warmed the server's caches now
    taken: dict[str, list[float]] = {"wrk": [], "synadmin audit": [], "synadm": []}
    ratios: list[float] = []
    for _ in range(options.rounds):
        before, run, after = wrk.seconds(), audit(server.url, server), wrk.seconds()
        least = (before + after) / 2
        taken["wrk"].append(least)
        taken["synadmin audit"].append(run)
        ratios.append(run / least)
        if options.synadm:
            taken["synadm"].append(synadm(options.synadm, server, len(rooms), scratch))
    print(f"{len(rooms)} rooms of {options.people} people, version {options.version}, {AT_ONCE} at once:")
    ratio = statistics.median(ratios)
    for name, seconds in taken.items():
        if seconds:
            print(f"  {name:24} {statistics.median(seconds):6.2f} s")
    print(f"  the audit takes          {ratio:6.2f} x what wrk takes for the power levels alone")
    if taken["synadm"]:
        faster = statistics.median(taken["synadm"]) / statistics.median(taken["synadmin audit"])
        print(f"  synadm takes             {faster:6.2f} x what the audit takes")
    print(f"at most {MOST} x: {'yes' if ratio <= MOST else 'NO'}\n")
    return ratio <= MOST


class Wrk:
    """Asks for the power levels of all rooms, over and over."""

    def __init__(self, server: Homeserver, rooms: list[str], scratch: Path) -> None:
        self._rooms = len(rooms)
        self._script, self._paths = scratch / "rooms.lua", scratch / "paths"
        self._script.write_text(WRK, "utf-8")
        lines = (
            f"/_synapse/admin/v1/rooms/{quote(room, safe='')}/state?type=m.room.power_levels\n"
            for room in rooms
        )
        self._paths.write_text("".join(lines), "utf-8")
        self._command = ["wrk", "-t1", f"-c{AT_ONCE}", "-s", str(self._script), "-d3s", server.url]
        self._command += ["-H", f"Authorization: Bearer {server.admin.token}"]

    def seconds(self) -> float:
        """Return the seconds that it takes for each room once."""
        environment = os.environ | {"PATHS": str(self._paths)}
        said = subprocess.run(self._command, env=environment, capture_output=True, text=True, check=True)
        if "Non-2xx" in said.stdout:
            sys.exit(said.stdout)
        rate = re.search(r"Requests/sec: *([0-9.]+)", said.stdout)
        if rate is None:
            sys.exit(said.stdout)
        return self._rooms / float(rate[1])


def audit(url: str, server: Homeserver, *, at_once: int = AT_ONCE) -> float:
    """Audit a server; return the seconds from the shell's point of view."""
    started = time.perf_counter()
    subprocess.run(
        [SYNADMIN, "audit", "--fail-on", "never"],
        env=environment(url, server.admin.token, server.directory, at_once),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


def environment(url: str, token: str, home: Path, at_once: int) -> dict[str, str]:
    """Return an environment in which nothing but the server is configured."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SYNADMIN_HOMESERVER": url,
        "SYNADMIN_ACCESS_TOKEN": token,
        "SYNADMIN_CONCURRENCY": str(at_once),
    }


def synadm(command: str, server: Homeserver, rooms: int, scratch: Path) -> float:
    """Have synadm list the power levels of all rooms; return the seconds."""
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


def with_a_delay(server: Homeserver, rooms: list[str]) -> bool:
    """Audit through a proxy that adds a delay, with pools of several sizes."""
    taken: dict[int, float] = {}
    with delaying(server.url) as url:
        for at_once in POOLS:
            taken[at_once] = audit(url, server, at_once=at_once)
    print(f"{len(rooms)} rooms, {DELAY * 1000:.0f} ms added to each request:")
    for at_once, seconds in taken.items():
        print(f"  {at_once:3} at once {seconds:8.2f} s  {taken[POOLS[0]] / seconds:5.2f} x as fast")
    # The server itself is the limit in the end.
    scales = taken[POOLS[0]] / taken[AT_ONCE] > AT_ONCE / POOLS[0] * 0.75
    print(f"scales with the pool up to {AT_ONCE}: {'yes' if scales else 'NO'}\n")
    return scales


@contextmanager
def delaying(url: str) -> Iterator[str]:
    """Stand before a server, and pass on each request after a delay."""
    address = urlsplit(url)
    ready = threading.Event()
    ports: list[int] = []
    loop = asyncio.new_event_loop()

    async def passed_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
        while received := await source.read(65_536):
            await asyncio.sleep(delay)
            sink.write(received)
        sink.close()

    async def connected(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(passed_on(source, requests, DELAY), passed_on(answers, sink, 0))

    async def serve() -> None:
        proxy = await asyncio.start_server(connected, "127.0.0.1", 0)
        ports.append(proxy.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    ready.wait()
    yield f"http://127.0.0.1:{ports[0]}"
    loop.call_soon_threadsafe(loop.stop)


def memory() -> bool:
    """Audit a stand-in for a server of 100,000 rooms, and look at the peak of the memory."""
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
        ended = subprocess.Popen(
            [SYNADMIN, "audit", "rooms", "--fail-on", "never", "-o", "ndjson"],
            env=environment(url, "token", Path(home), AT_ONCE),
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(ended.pid, 0)
        seconds = time.perf_counter() - started
        standin.stdin.close()
    peak = used.ru_maxrss / 1000
    print("100,000 rooms and 200,000 users, on a stand-in:")
    print(f"  {seconds:.0f} s, {peak:.0f} MB at the most")
    print(f"less than {MOST_MEMORY} MB: {'yes' if peak < MOST_MEMORY else 'NO'}")
    return status == 0 and peak < MOST_MEMORY


if __name__ == "__main__":
    sys.exit(main())
