"""Memory and time of listing 100,000 rooms and users, a page at a time.

    python benchmarks/streaming.py [--records 100000] [--rounds 5]

A local server hands out pages in the shape that Synapse gives them. Two claims are measured, and it ends
with 1 where one does not hold: the peak memory of `synadmin room list -o ndjson` and `user list -o ndjson`
is at most 1.2 times that for 1,000, and it takes no longer than `curl` fetching the same pages, piped to
`jq -c`. Needs curl and jq (on Debian and Ubuntu, apt-get install curl jq).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

MOST_MEMORY = 1.2
FEW = 1000
PAGE = 500
SYNADMIN = str(Path(sys.executable).with_name("synadmin"))
PATHS = {"room": "/_synapse/admin/v1/rooms", "user": "/_synapse/admin/v3/users"}
FIELDS = {"room": "rooms", "user": "users"}


def room(number: int) -> dict[str, object]:
    """Return a room as the room list has it."""
    return {
        "room_id": f"!{number:018d}:matrix.example.org",
        "name": f"Chess club {number}, Größe 7",
        "canonical_alias": f"#chess-{number}:matrix.example.org",
        "joined_members": number % 500,
        "joined_local_members": number % 50,
        "version": "11",
        "creator": f"@user-{number % 1000}:matrix.example.org",
        "encryption": "m.megolm.v1.aes-sha2",
        "federatable": True,
        "public": False,
        "join_rules": "invite",
        "guest_access": None,
        "history_visibility": "shared",
        "state_events": number % 5000,
        "room_type": None,
    }


def user(number: int) -> dict[str, object]:
    """Return an account as the user list has it."""
    return {
        "name": f"@user-{number:09d}:matrix.example.org",
        "user_type": None,
        "is_guest": False,
        "admin": False,
        "deactivated": False,
        "shadow_banned": False,
        "displayname": f"Zoë {number}",
        "avatar_url": f"mxc://matrix.example.org/{number:024d}",
        "creation_ts": 1_700_000_000_000 + number,
        "approved": True,
        "erased": False,
        "last_seen_ts": 1_790_000_000_000 + number,
        "locked": False,
    }


def pages(kind: str, records: int) -> dict[str, bytes]:
    """Return all pages by their cursor, ready to send, so that the server's own work counts for nothing."""
    make = {"room": room, "user": user}[kind]
    found = {}
    for start in range(0, records, PAGE):
        page: dict[str, object] = {
            FIELDS[kind]: [make(number) for number in range(start, min(start + PAGE, records))],
        }
        page["total_rooms" if kind == "room" else "total"] = records
        if start + PAGE < records:
            page |= {"next_batch": start + PAGE} if kind == "room" else {"next_token": str(start + PAGE)}
        found[str(start)] = json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()
    return found


def serve(kind: str, records: int) -> None:
    """Hand out the pages until our parent closes our standard input: a connection is kept between them."""
    answers = pages(kind, records)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = b'{"user_id":"@admin:matrix.example.org"}'
            if parts.path == PATHS[kind]:
                body = answers[parse_qs(parts.query).get("from", ["0"])[0]]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


@contextmanager
def served(kind: str, records: int) -> Iterator[str]:
    """Serve from a process of its own: a child's peak memory counts what its parent holds, too."""
    command = [sys.executable, __file__, "--serve", kind, "--records", str(records)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        if server.stdin is not None and server.stdout is not None:
            yield server.stdout.readline().strip()
            server.stdin.close()


def listing(kind: str, url: str, home: str) -> tuple[float, float, int]:
    """Run synadmin once; return seconds, peak memory in MB, and the lines that it has printed."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "LC_ALL": "C.UTF-8",
        "SYNADMIN_HOMESERVER": url,
        "SYNADMIN_ACCESS_TOKEN": "benchmark",
    }
    output = Path(home) / "output"
    with output.open("wb") as sink:
        started = time.perf_counter()
        child = subprocess.Popen([SYNADMIN, kind, "list", "-o", "ndjson"], stdout=sink, env=env, cwd=home)
        _, status, usage = os.wait4(child.pid, 0)
        taken = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"synadmin {kind} list ended with {child.returncode}")
    with output.open("rb") as lines:
        return taken, usage.ru_maxrss / 1024, sum(1 for _ in lines)


def curl_and_jq(kind: str, url: str, home: str, records: int) -> float:
    """Fetch the same pages with one curl over one connection, piped to jq; return seconds."""
    target = f"{url}{PATHS[kind]}?limit={PAGE}&from=[0-{records - 1}:{PAGE}]"
    with (Path(home) / "output").open("wb") as sink:
        started = time.perf_counter()
        header = ["-H", "Authorization: Bearer benchmark"]
        curl = subprocess.Popen(["curl", "-sS", *header, target], stdout=subprocess.PIPE)  # noqa: S607
        subprocess.run(["jq", "-c", f".{FIELDS[kind]}[]"], stdin=curl.stdout, stdout=sink, check=True)  # noqa: S607
        if curl.wait():
            sys.exit("curl failed")
        return time.perf_counter() - started


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description="Memory and time of long lists.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=PATHS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.records)
        return 0
    missing = [program for program in ("curl", "jq") if shutil.which(program) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} missing: on Debian and Ubuntu, apt-get install curl jq")
    holds = True
    for kind in PATHS:
        with tempfile.TemporaryDirectory() as home:
            with served(kind, FEW) as few:
                small = statistics.median(listing(kind, few, home)[1] for _ in range(options.rounds))
            with served(kind, options.records) as many:
                ours, theirs, peaks = [], [], []
                for _ in range(options.rounds):  # in turn: what slows one of them down strikes both
                    taken, peak, lines = listing(kind, many, home)
                    if lines != options.records:
                        sys.exit(f"{lines} lines instead of {options.records}")
                    ours.append(taken)
                    peaks.append(peak)
                    theirs.append(curl_and_jq(kind, many, home, options.records))
        large = statistics.median(peaks)
        ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
        holds = holds and large <= MOST_MEMORY * small and ratio <= 1
        print(f"synadmin {kind} list -o ndjson, {options.records} {kind}s")
        print(f"  memory  {large:6.1f} MB; for {FEW} {small:6.1f} MB: {large / small:.2f} x")
        took, other = statistics.median(ours), statistics.median(theirs)
        print(f"  time    {took:6.2f} s;  curl | jq -c {other:5.2f} s: {ratio:.2f} x")
    print(f"memory at most {MOST_MEMORY} x, no slower than curl | jq: {'yes' if holds else 'NO'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
