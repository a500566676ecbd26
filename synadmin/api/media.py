"""Media: listing, quarantine, protection from quarantine, deletion.

Source: Synapse, ``docs/admin_api/media_admin_api.md``, ``docs/admin_api/user_admin_api.md`` and
``synapse/rest/admin/media.py``.
"""

from synadmin.api.choices import MediaOrder
from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import UserId


class MediaInfo(Record, frozen=True, kw_only=True):
    """A media item: uploaded to this server, or the cached copy of another server's.

    Times in milliseconds since the epoch, ``media_length`` in bytes.

    For an item that was uploaded here, ``media_origin`` and ``filesystem_id`` are None. For a cached copy,
    ``user_id``, ``url_cache`` and ``safe_from_quarantine`` are None. ``url_cache`` is the URL of the page for
    whose preview the item was stored.
    """

    media_id: str
    media_origin: str | None = None
    user_id: UserId | None = None
    media_type: str | None = None
    media_length: int | None = None
    upload_name: str | None = None
    created_ts: int | None = None
    filesystem_id: str | None = None
    url_cache: str | None = None
    last_access_ts: int | None = None
    quarantined_by: UserId | None = None
    authenticated: bool | None = None
    safe_from_quarantine: bool | None = None
    sha256: str | None = None


class MediaAnswer(Record, frozen=True, kw_only=True):
    """The answer with one media item."""

    media_info: MediaInfo


class UserMedia(Record, frozen=True, kw_only=True):
    """An item that a user of this server uploaded.

    Times in milliseconds since the epoch, ``media_length`` in bytes; ``last_access_ts`` is 0 or None where
    it was never accessed.
    """

    media_id: str
    media_type: str | None = None
    media_length: int | None = None
    upload_name: str | None = None
    created_ts: int | None = None
    url_cache: str | None = None
    last_access_ts: int | None = None
    quarantined_by: UserId | None = None
    safe_from_quarantine: bool = False
    user_id: UserId | None = None
    authenticated: bool | None = None
    sha256: str | None = None


class RoomMedia(Record, frozen=True, kw_only=True):
    """The media of a room's unencrypted events, as ``mxc://`` URIs, newest first.

    An item that several events point to is listed several times.
    """

    local: tuple[str, ...]
    remote: tuple[str, ...]


class QuarantineChange(Record, frozen=True, kw_only=True):
    """A change of quarantine of a media item. ``origin`` is the server that the item is from."""

    origin: str
    media_id: str
    quarantined: bool


class Quarantined(Record, frozen=True, kw_only=True):
    """The number of items in quarantine. It includes earlier ones, but not protected ones."""

    num_quarantined: int


class DeletedMedia(Record, frozen=True, kw_only=True):
    """The deleted media items, and their number. Items whose file could not be removed are left out."""

    deleted_media: tuple[str, ...]
    total: int


class PurgedMedia(Record, frozen=True, kw_only=True):
    """The number of cached copies that were removed."""

    deleted: int


GET = Endpoint("GET", "/_synapse/admin/v1/media/{server_name}/{media_id}", MediaAnswer, since="1.140")
IN_ROOM = Endpoint("GET", "/_synapse/admin/v1/room/{room_id}/media", RoomMedia)
OF_USER = Paged(
    "GET", "/_synapse/admin/v1/users/{user_id}/media", UserMedia, items="media", key="media_id", grows=True
)
QUARANTINE = Endpoint(
    "POST", "/_synapse/admin/v1/media/quarantine/{server_name}/{media_id}", Empty, idempotent=True
)
UNQUARANTINE = Endpoint(
    "POST", "/_synapse/admin/v1/media/unquarantine/{server_name}/{media_id}", Empty, idempotent=True
)
QUARANTINE_IN_ROOM = Endpoint("POST", "/_synapse/admin/v1/room/{room_id}/media/quarantine", Quarantined)
QUARANTINE_IN_ROOM_OLD = Endpoint(
    "POST", "/_synapse/admin/v1/quarantine_media/{room_id}", Quarantined, instead="media.quarantine_in_room"
)
QUARANTINE_OF_USER = Endpoint("POST", "/_synapse/admin/v1/user/{user_id}/media/quarantine", Quarantined)
QUARANTINE_CHANGES = Paged(
    "GET",
    "/_synapse/admin/v1/media/quarantine_changes",
    QuarantineChange,
    items="changes",
    next="next_batch",
    total=None,
    log=True,
    since="1.152",
)
PROTECT = Endpoint("POST", "/_synapse/admin/v1/media/protect/{media_id}", Empty, idempotent=True)
UNPROTECT = Endpoint("POST", "/_synapse/admin/v1/media/unprotect/{media_id}", Empty, idempotent=True)
DELETE = Endpoint("DELETE", "/_synapse/admin/v1/media/{server_name}/{media_id}", DeletedMedia)
DELETE_UNUSED = Endpoint("POST", "/_synapse/admin/v1/media/delete", DeletedMedia)
DELETE_UNUSED_OLD = Endpoint(
    "POST", "/_synapse/admin/v1/media/{server_name}/delete", DeletedMedia, instead="media.delete_unused"
)
DELETE_OF_USER = Endpoint("DELETE", "/_synapse/admin/v1/users/{user_id}/media", DeletedMedia)
PURGE_REMOTE = Endpoint("POST", "/_synapse/admin/v1/purge_media_cache", PurgedMedia)


class Media(ResourceGroup):
    """Media: ``synapse.media``."""

    def get(self, server_name: str, media_id: str) -> MediaAnswer:
        """Return the details of an item, also of one in quarantine.

        Args:
            server_name: the server that it was uploaded to.
            media_id: the item.

        Raises:
            NotFoundError: this server does not have the item, nor a cached copy of it.

        Source: ``QueryMediaById``.
        """
        return self._send(GET, server_name=server_name, media_id=media_id)

    def in_room(self, room_id: str) -> RoomMedia:
        """Return the media of a room's unencrypted events; empty for an unknown room.

        The answer grows with the room.

        Source: ``ListMediaInRoom``.
        """
        return self._send(IN_ROOM, room_id=room_id)

    def of_user(
        self,
        user_id: str,
        *,
        order_by: MediaOrder | None = None,
        reverse: bool = False,
        page_size: int | None = None,
    ) -> Pager[UserMedia]:
        """List the media that a user of this server has uploaded, a page at a time.

        Args:
            user_id: the user.
            order_by: one of :data:`MediaOrder`; Synapse's default is the newest first.
            reverse: reverse the order of ``order_by``; no effect without ``order_by``.
            page_size: items a request; None lets pages grow.

        Raises:
            NotFoundError: there is no such user.

        Source: ``UserMediaRestServlet``.
        """
        return self._walk(
            OF_USER,
            query={"order_by": order_by, "dir": "b" if reverse else None, "limit": page_size},
            user_id=user_id,
        )

    def quarantine(self, server_name: str, media_id: str) -> Empty:
        """Make an item, and all items with the same content, unavailable to users. No file is deleted.

        A protected item does not change, and the answer is the same. So it is for an unknown item.

        Source: ``QuarantineMediaByID``.
        """
        return self._send(QUARANTINE, body={}, server_name=server_name, media_id=media_id)

    def unquarantine(self, server_name: str, media_id: str) -> Empty:
        """Make an item, and all items with the same content, available again.

        Source: ``UnquarantineMediaByID``.
        """
        return self._send(UNQUARANTINE, body={}, server_name=server_name, media_id=media_id)

    def quarantine_in_room(self, room_id: str) -> Quarantined:
        """Quarantine the media of a room's unencrypted events.

        Source: ``QuarantineMediaInRoom``.
        """
        return self._send(QUARANTINE_IN_ROOM, body={}, room_id=room_id)

    def quarantine_in_room_old(self, room_id: str) -> Quarantined:
        """Do the same as :meth:`quarantine_in_room`, through a deprecated path. Prefer that method.

        Source: ``QuarantineMediaInRoom``.
        """
        return self._send(QUARANTINE_IN_ROOM_OLD, body={}, room_id=room_id)

    def quarantine_of_user(self, user_id: str) -> Quarantined:
        """Quarantine the media that a user of this server has uploaded.

        Source: ``QuarantineMediaByUser``.
        """
        return self._send(QUARANTINE_OF_USER, body={}, user_id=user_id)

    def quarantine_changes(self, *, after: int | None = None) -> Pager[QuarantineChange]:
        """List the items that went into quarantine or came out of it, oldest first, a hundred a page.

        Synapse calls this list best-effort: changes may be missing or listed twice.

        Args:
            after: the ``next`` of the last page of an earlier walk; lists only later changes.

        Source: ``ListQuarantineChanges``.
        """
        return self._walk(QUARANTINE_CHANGES, query={"from": after})

    def protect(self, media_id: str) -> Empty:
        """Keep an item that was uploaded here out of quarantine from now on.

        Source: ``ProtectMediaByID``.
        """
        return self._send(PROTECT, body={}, media_id=media_id)

    def unprotect(self, media_id: str) -> Empty:
        """Allow again to quarantine an item that was uploaded here.

        Source: ``UnprotectMediaByID``.
        """
        return self._send(UNPROTECT, body={}, media_id=media_id)

    def delete(self, server_name: str, media_id: str) -> DeletedMedia:
        """Delete an item that was uploaded here.

        Args:
            server_name: this server's name; Synapse refuses any other.
            media_id: the item.

        Raises:
            NotFoundError: there is no such item.

        Source: ``DeleteMediaByID``.
        """
        return self._send(DELETE, server_name=server_name, media_id=media_id)

    def delete_unused(
        self, *, before_ts: int, size_gt: int | None = None, keep_profiles: bool | None = None
    ) -> DeletedMedia:
        """Delete media that was uploaded here and was not accessed for a long time.

        Media in quarantine stays, and media protected from quarantine.

        Args:
            before_ts: only media whose last access was before this time, in milliseconds since the epoch. For
                media that was never accessed, the time of the upload counts.
            size_gt: only media larger than this, in bytes; Synapse's default is 0.
            keep_profiles: keep avatars of users and rooms; Synapse's default is True.

        Raises:
            MatrixError: the time lies in 1970, as it does when seconds are given (400).

        Source: ``DeleteMediaByDateSize``.
        """
        query = {"before_ts": before_ts, "size_gt": size_gt, "keep_profiles": keep_profiles}
        return self._send(DELETE_UNUSED, query=query, body={})

    def delete_unused_old(
        self,
        server_name: str,
        *,
        before_ts: int,
        size_gt: int | None = None,
        keep_profiles: bool | None = None,
    ) -> DeletedMedia:
        """Do the same as :meth:`delete_unused`, through a deprecated path. Prefer that method.

        Source: ``DeleteMediaByDateSize``.
        """
        query = {"before_ts": before_ts, "size_gt": size_gt, "keep_profiles": keep_profiles}
        return self._send(DELETE_UNUSED_OLD, query=query, body={}, server_name=server_name)

    def delete_of_user(
        self,
        user_id: str,
        *,
        limit: int | None = None,
        start: int | None = None,
        order_by: MediaOrder | None = None,
        reverse: bool = False,
    ) -> DeletedMedia:
        """Delete the first ``limit`` items that a user of this server has uploaded.

        Call it again until no item is left: Synapse's default is 100 at a time.

        Args:
            user_id: the user.
            limit: the number of items to delete.
            start: the number of items to skip before those.
            order_by: one of :data:`MediaOrder`; Synapse's default is the newest first.
            reverse: reverse the order of ``order_by``; no effect without ``order_by``.

        Raises:
            NotFoundError: there is no such user.

        Source: ``UserMediaRestServlet``.
        """
        query = {"limit": limit, "from": start, "order_by": order_by, "dir": "b" if reverse else None}
        return self._send(DELETE_OF_USER, query=query, user_id=user_id)

    def purge_remote(self, *, before_ts: int) -> PurgedMedia:
        """Remove cached copies of other servers' media; a copy that is needed again is fetched again.

        Media in quarantine stays.

        Args:
            before_ts: only copies whose last access was before this time, in milliseconds since the epoch.

        Raises:
            MatrixError: the time lies in 1970, as it does when seconds are given (400).

        Source: ``PurgeMediaCacheRestServlet``.
        """
        return self._send(PURGE_REMOTE, query={"before_ts": before_ts}, body={})
