"""``synadmin federation check`` and ``well-known``: how other servers find a server by its name."""

from typing import TYPE_CHECKING

import click

from synadmin.cli import colors
from synadmin.cli.exit_codes import EXIT_DONE, EXIT_REFUSED
from synadmin.cli.invocation import Invocation, pass_invocation
from synadmin.cli.lazy import Command
from synadmin.cli.network import network_options
from synadmin.cli.output import Output, output_options, terminal_width
from synadmin.columns import Column
from synadmin.errors import UsageError
from synadmin.text import safe_text, wrap

if TYPE_CHECKING:
    from synadmin.delegation.server_check import ServerCheck
_PROXIES = ("nginx", "apache", "caddy", "haproxy")


@click.command(cls=Command)
@click.argument("server_name", metavar="SERVER_NAME")
@network_options
@output_options
@pass_invocation
def check(
    invocation: Invocation,
    server_name: str,
    *,
    resolve: tuple[str, ...],
    nameserver: str | None,
    output: Output,
) -> int:
    """Check how other servers and clients find a server.

    Finds the server as other servers do (an IP address or a port in the name, the well-known file, SRV
    records, port 8448). Checks every address that it finds (certificate, version, signing keys), and the
    files for clients. Then it says whether delegation is needed, works or is broken, and what to do.

    It connects directly, without a proxy, and needs no homeserver and no token. The whole check ends within
    --timeout.

    \b
    Examples:
        synadmin federation check example.org
        synadmin federation check example.org -o json
    \b
    Before a DNS change, and with your own certificate authority:
        synadmin federation check example.org --resolve example.org:443:192.0.2.1
        SYNADMIN_CA_FILE=ca.pem synadmin federation check example.org \\
            --nameserver 192.0.2.53

    Exit codes: 0 other servers can connect, perhaps with warnings; 5 they cannot.
    """
    from synadmin.delegation import check as checked

    settings = invocation.settings
    report = checked(
        server_name,
        timeout=settings.timeout,
        ca_file=settings.ca_file,
        nameserver=nameserver,
        resolve=resolve,
    )
    if output.in_words:
        _explain(report)
    elif output.form in {"table", "csv"}:
        output.write([check.as_record() for check in report.checks], _COLUMNS)
    else:
        output.write_one(report.as_record(), _COLUMNS)
    return EXIT_REFUSED if report.verdict == "broken" else EXIT_DONE


_COLUMNS = (Column("name", title="check"), Column("ok"), Column("detail"))


def _explain(report: "ServerCheck") -> None:
    _echo(report.message, 0)
    click.echo("\nHow it is found:")
    for number, step in enumerate(report.steps, 1):
        _echo(f"  {number}. {step.detail}", 5)
    click.echo()
    for one in report.checks:
        result = "ok" if one.ok else one.severity
        _echo(f"  {result + ':':<8}  {one.name:<17}  {one.detail}", 12)
    if report.advice:
        click.echo("\nWhat to do:")
        for advice in report.advice:
            _echo(f"  - {advice}", 4)


def _echo(line: str, indent: int) -> None:
    """Print a line; on a terminal it is wrapped at words."""
    line, width = safe_text(line), terminal_width()
    colors.echo(colors.painted(line if width is None else wrap(line, width, indent=" " * indent)))


@click.command("well-known", cls=Command)
@click.argument("server_name", metavar="SERVER_NAME")
@click.option(
    "--to", metavar="HOST[:PORT]", required=True, help="Host and port of the homeserver for other servers."
)
@click.option("--client", metavar="URL", help="Base URL for clients [default: https://HOST].")
@click.option("--for", "proxy", type=click.Choice(_PROXIES), help="Print only the snippet for this proxy.")
@output_options
@pass_invocation
def well_known(
    invocation: Invocation,
    server_name: str,
    *,
    to: str,
    client: str | None,
    proxy: str | None,
    output: Output,
) -> None:
    """Print the files that delegate a server name.

    Also prints how a proxy serves them.

    The files are served at https://SERVER_NAME, the homeserver answers at HOST. Where no port is given
    other servers take 8448, unless there is an SRV record for HOST.

    \b
    Examples:
        synadmin federation well-known example.org --to matrix.example.org:443
        synadmin federation well-known example.org --to matrix.example.org:443 \\
            --for nginx
    """
    from synadmin.delegation.names import parse_name
    from synadmin.delegation.proxy_snippets import base_url, files, snippets

    name, target = parse_name(server_name), parse_name(to)
    if name.literal or name.port is not None:
        what = "is an IP address" if name.literal else "has a port"
        message = f"{name.text} cannot be delegated: it {what}, and other servers ask for no file then"
        raise UsageError(message)
    content = files(target, base_url(client, target))
    by_proxy = snippets(name, target, base_url(client, target))
    if proxy is not None:
        by_proxy = {proxy: by_proxy[proxy]}
    if not output.in_words:
        records = [
            *({"name": path, "text": text} for path, text in content.items() if proxy is None),
            *({"name": key, "text": text} for key, text in by_proxy.items()),
        ]
        output.write(records, [Column("name"), Column("text")])
    elif proxy is not None:
        click.echo(by_proxy[proxy], nl=False)
    else:
        for path, text in content.items():
            click.echo(f"https://{name.text}{path}\n\n    {text}\n")
        for key, text in by_proxy.items():
            click.echo(f"{key}\n\n" + "".join(f"    {line}\n" for line in text.splitlines()))
        invocation.say(f"afterwards: synadmin federation check {name.text}")
