"""The two files that delegate, and how nginx, Apache, Caddy and HAProxy serve them. Pure.

Sources: Matrix specification, ``GET /.well-known/matrix/server`` and Client-Server API, "Server Discovery";
the manuals of the four proxies.
"""

import json
import re
from collections.abc import Mapping

from synadmin.delegation.names import ServerName, bracketed, parse_name
from synadmin.delegation.well_known import CLIENT, SERVER
from synadmin.errors import UsageError

# The URL cannot contain characters that end a string, or that one of the proxies would replace.
_BASE_URL = re.compile(
    r"https://[0-9A-Za-z.\-]+(?::[0-9]{1,5})?(?:/[0-9A-Za-z._~/-]*)?\Z|https://\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?\Z"
)


def files(to: ServerName, client: str) -> Mapping[str, str]:
    """Return the content of the files by their paths."""
    return {
        SERVER: json.dumps({"m.server": to.text}),
        CLIENT: json.dumps({"m.homeserver": {"base_url": client}}),
    }


def base_url(text: str | None, to: ServerName) -> str:
    """Check the base URL for clients; without one, return the URL of the host that servers connect to.

    Raises:
        UsageError: it is not the base of an https:// URL.
    """
    if text is None:
        return f"https://{bracketed(to.host)}"
    if not _BASE_URL.match(text):
        message = (
            f"{text!a} is not the base URL of a homeserver: a base URL looks like https://matrix.example.org"
        )
        raise UsageError(message)
    parse_name(text.removeprefix("https://").partition("/")[0])
    return text.rstrip("/")


def snippets(name: ServerName, to: ServerName, client: str) -> Mapping[str, str]:
    """Return what to put into the configuration of each proxy that serves ``https://NAME``."""
    content = files(to, client)
    host = bracketed(name.host)
    return {
        "nginx": _nginx(host, content),
        "apache": _apache(host),
        "caddy": _caddy(host, content),
        "haproxy": _haproxy(host, content),
    }


def _nginx(host: str, content: Mapping[str, str]) -> str:
    return f"""\
# In the server block for {host}, port 443.
location = {SERVER} {{
    default_type application/json;
    return 200 '{content[SERVER]}';
}}
location = {CLIENT} {{
    default_type application/json;
    add_header Access-Control-Allow-Origin *;
    return 200 '{content[CLIENT]}';
}}
"""


def _apache(host: str) -> str:
    return f"""\
# In the virtual host for {host}, port 443; the two files are in /var/www/matrix, called server and client.
# It needs mod_alias and mod_headers: a2enmod alias headers
Alias /.well-known/matrix/ /var/www/matrix/
<Directory /var/www/matrix/>
    Require all granted
    ForceType application/json
    Header set Access-Control-Allow-Origin "*"
</Directory>
"""


def _caddy(host: str, content: Mapping[str, str]) -> str:
    return f"""\
# In the site block for {host}.
handle {SERVER} {{
    header Content-Type application/json
    respond `{content[SERVER]}` 200
}}
handle {CLIENT} {{
    header Content-Type application/json
    header Access-Control-Allow-Origin *
    respond `{content[CLIENT]}` 200
}}
"""


def _haproxy(host: str, content: Mapping[str, str]) -> str:
    def answer(path: str, header: str = "") -> str:
        return (
            f"http-request return status 200 content-type application/json {header}"
            f"string '{content[path]}' if {{ path {path} }}"
        )

    return f"""\
# In the frontend for {host}, port 443 (HAProxy 2.2 or newer).
{answer(SERVER)}
{answer(CLIENT, 'hdr Access-Control-Allow-Origin "*" ')}
"""
