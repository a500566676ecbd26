"""synadmin: a typed client for the Synapse Admin API, and a command line that looks before it acts.

>>> from synadmin import Synapse
>>> with Synapse("https://matrix.example.org", token=token) as synapse:
...     for room in synapse.rooms.list():
...         print(room.room_id, room.joined_members)
"""

from typing import TYPE_CHECKING

from synadmin._version import __version__

if TYPE_CHECKING:
    from synadmin.client import Synapse

__all__ = ["Synapse", "__version__"]


def __getattr__(name: str) -> object:
    # `import synadmin` costs nothing; the client comes when it is asked for.
    if name == "Synapse":
        from synadmin.client import Synapse

        return Synapse
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
