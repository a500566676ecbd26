"""Tests of the proxy snippets on real proxies, and of a real Synapse behind a real nginx.

The proxies are packages of Debian. The tests of a proxy that is not installed are skipped.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.delegation.names import parse_name
from synadmin.delegation.proxy_snippets import files, snippets
from synadmin.delegation.server_check import check_server
from synadmin.sandbox.homeserver import Homeserver
from tests.live.delegation.fake_internet import FakeInternet, homeserver_replies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trustme

    from synadmin.delegation.server_check import ServerCheck

NAME = "example.org"
HOST = "matrix.example.org"
_START_UP = 20.0  # seconds
_PACKAGES = {"nginx": "nginx-light", "apache2": "apache2", "caddy": "caddy", "haproxy": "haproxy"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that the unprivileged workers of a proxy can read. They cannot read ``tmp_path``."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"there is no {name} here: apt-get install {_PACKAGES[name]}")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """Run a proxy while the block runs. The block starts when the proxy accepts TLS connections."""
    log = folder / "output.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        until = time.monotonic() + _START_UP
        while True:
            try:
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=1) as plain,
                    context.wrap_socket(plain, server_hostname=NAME),
                ):
                    break
            except OSError:
                output = log.read_text("utf-8", "replace")
                assert process.poll() is None, output
                assert time.monotonic() < until, output
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def written(folder: Path, certificate: trustme.LeafCert, name: str) -> tuple[Path, Path, Path]:
    """Write three files: the chain of a certificate, its key, and both; return their paths."""
    chain, key, both = (folder / f"{name}.{kind}.pem" for kind in ("chain", "key", "both"))
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    return chain, key, both


def nginx_configuration(folder: Path, servers: str) -> Path:
    path = folder / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path.write_text(
        f"""\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
access_log off;
{temporary}
{servers}
}}
"""
    )
    return path


def nginx_server(name: str, port: int, chain: Path, key: Path, body: str) -> str:
    return f"""
server {{
    listen 127.0.0.1:{port} ssl;
    server_name {name};
    ssl_certificate {chain};
    ssl_certificate_key {key};
    {body}
}}
"""


def nginx_command(folder: Path, port: int, certificate: trustme.LeafCert, snippet: str) -> list[str]:
    chain, key, _ = written(folder, certificate, "name")
    path = nginx_configuration(folder, nginx_server(NAME, port, chain, key, snippet))
    return [program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]


def haproxy_command(folder: Path, port: int, certificate: trustme.LeafCert, snippet: str) -> list[str]:
    *_, both = written(folder, certificate, "name")
    path = folder / "haproxy.cfg"
    path.write_text(
        f"""\
defaults
    mode http
    timeout client 10s
    timeout connect 10s
    timeout server 10s
frontend name
    bind 127.0.0.1:{port} ssl crt {both}
{snippet}"""
    )
    return [program("haproxy"), "-f", str(path)]


def caddy_command(folder: Path, port: int, certificate: trustme.LeafCert, snippet: str) -> list[str]:
    chain, key, _ = written(folder, certificate, "name")
    path = folder / "Caddyfile"
    path.write_text(
        f"""\
{{
    admin off
    auto_https off
}}
https://{NAME}:{port} {{
    bind 127.0.0.1
    tls {chain} {key}
    {snippet}
}}
"""
    )
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(path)]


def apache_command(folder: Path, port: int, certificate: trustme.LeafCert, snippet: str) -> list[str]:
    command = program("apache2")
    chain, key, _ = written(folder, certificate, "name")
    web = folder / "web"
    web.mkdir()
    for served, text in files(parse_name(f"{HOST}:443"), f"https://{HOST}").items():
        (web / Path(served).name).write_text(text)
    modules = "mpm_event authz_core alias headers ssl"
    loaded = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules.split()
    )
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    path = folder / "apache.conf"
    path.write_text(
        f"""\
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
{loaded}
{user}
Listen 127.0.0.1:{port}
<VirtualHost *:{port}>
ServerName {NAME}
SSLEngine on
SSLCertificateFile {chain}
SSLCertificateKeyFile {key}
{snippet.replace("/var/www/matrix", str(web))}
</VirtualHost>
"""
    )
    return [command, "-DFOREGROUND", "-f", str(path)]


@pytest.mark.parametrize(
    ("proxy", "proxy_command"),
    [
        pytest.param("nginx", nginx_command, id="nginx"),
        pytest.param("apache", apache_command, id="apache"),
        pytest.param("caddy", caddy_command, id="caddy"),
        pytest.param("haproxy", haproxy_command, id="haproxy"),
    ],
)
def test_snippet_delegates_behind_its_real_proxy(
    internet: FakeInternet,
    folder: Path,
    proxy: str,
    proxy_command: Callable[[Path, int, trustme.LeafCert, str], list[str]],
) -> None:
    snippet = snippets(parse_name(NAME), parse_name(f"{HOST}:443"), f"https://{HOST}")[proxy]
    internet.zone.a(NAME)
    internet.zone.a(HOST, "127.0.0.2")
    internet.https(HOST, homeserver_replies(NAME), ip="127.0.0.2", port=443)
    port = free_port()
    internet.ports["127.0.0.1", 443] = port
    command = proxy_command(folder, port, internet.certificate(NAME), snippet)

    with running(command, port, folder):
        report = check_server(NAME, internet.network(), timeout=60)

    assert (report.verdict, report.delegation, report.problems) == ("ok", "in-place", ())
    [file] = [check.detail for check in report.checks if check.name == "well-known"]
    assert "application/json would be right" not in file
    assert f"delegates to {HOST}:443" in file


@pytest.fixture(scope="module")
def synapse() -> Iterator[Homeserver]:
    """A real Synapse with the server name example.org. The proxy forwards to its federation listener."""
    port = free_port()
    server = Homeserver(
        server_name=NAME,
        extra_config={
            "public_baseurl": f"https://{HOST}/",
            "serve_server_wellknown": True,
            "listeners": [
                {
                    "port": port,
                    "type": "http",
                    "x_forwarded": True,
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client", "federation", "keys"]}],
                }
            ],
        },
    )
    server._facts.port = port  # noqa: SLF001  the sandbox cannot choose the port of a configured listener
    with server:
        yield server


def reverse_proxy(synapse: Homeserver) -> str:
    """Return the nginx configuration of docs/delegation.md, so that the tests prove that it works."""
    guide = (Path(__file__).parents[3] / "docs" / "delegation.md").read_text("utf-8")
    [lines] = re.findall(r"```nginx\n(.*?)```", guide, re.DOTALL)
    return str(lines).replace("http://127.0.0.1:8008", synapse.url)


def check_behind_nginx(
    internet: FakeInternet, folder: Path, *, name_config: str, host_config: str
) -> ServerCheck:
    """Check the server name, with nginx on port 443 of NAME and of matrix.NAME."""
    nginx = program("nginx")
    internet.zone.a(NAME)
    internet.zone.a(HOST)
    port = free_port()
    internet.ports["127.0.0.1", 443] = port
    internet.close_port(8448)
    servers = ""
    for host, body in ((NAME, name_config), (HOST, host_config)):
        chain, key, _ = written(folder, internet.certificate(host), host)
        servers += nginx_server(host, port, chain, key, body)
    path = nginx_configuration(folder, servers)
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(path)]
    with running(command, port, folder):
        return check_server(NAME, internet.network(), timeout=60)


def test_synapse_behind_the_nginx_of_the_guide_passes_the_check(
    internet: FakeInternet, folder: Path, synapse: Homeserver
) -> None:
    snippet = snippets(parse_name(NAME), parse_name(f"{HOST}:443"), f"https://{HOST}")["nginx"]
    report = check_behind_nginx(internet, folder, name_config=snippet, host_config=reverse_proxy(synapse))

    assert (report.verdict, report.delegation, report.problems) == ("ok", "in-place", ())
    [version] = [check.detail for check in report.checks if check.name == "version"]
    assert "Synapse 1." in version
    assert "/_synapse/admin is not reachable here" in str(report.checks)


def test_synapse_on_port_443_gets_serve_server_wellknown_as_advice(
    internet: FakeInternet, folder: Path, synapse: Homeserver
) -> None:
    proxy = reverse_proxy(synapse)
    report = check_behind_nginx(internet, folder, name_config=proxy, host_config=proxy)

    assert (report.verdict, report.delegation) == ("broken", "needed")
    assert any("serve_server_wellknown: true" in advice for advice in report.advice)
    assert any('{"m.server": "example.org:443"}' in advice for advice in report.advice)


def test_synapse_with_serve_server_wellknown_is_delegated_to_443(
    internet: FakeInternet, folder: Path, synapse: Homeserver
) -> None:
    forward_all_paths = reverse_proxy(synapse).replace("^/(_matrix|_synapse/client)/", "^/")
    report = check_behind_nginx(
        internet, folder, name_config=forward_all_paths, host_config=forward_all_paths
    )

    assert report.delegation == "in-place"
    assert report.as_record()["route"]["host"] == NAME
    # This nginx forwards all paths, the Admin API too, and the check warns about that.
    assert {check.name for check in report.problems} == {"admin-api"}
    assert report.verdict == "degraded"
