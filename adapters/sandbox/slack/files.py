"""`files.getUploadURLExternal`, `files.completeUploadExternal`, and the file routes themselves.

Routes under `/slack/files/`: `POST upload/{secret}` takes the content, raw or as a form; `GET
{id}/{name}` gives it to the bot's token alone.
"""

from collections.abc import AsyncIterator
from urllib.parse import quote

from aiohttp import BodyPartReader, web

from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import BOT_USER_ID
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.file_store import MAX_FILE_BYTES, File, FileStore
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.tokens import Tokens

_PIECE_BYTES = 65_536


def get_upload_url(host: Host, call: Call) -> Json:
    """`files.getUploadURLExternal`"""
    call.need("files:write")
    name = call.required("filename")
    length = call.required("length")
    if not length.isdecimal() or int(length) == 0:
        raise invalid_arguments("must be a number above zero: length")
    if int(length) > MAX_FILE_BYTES:
        raise SlackError("file_upload_size_restricted")
    file = host.files.reserve(name)
    url = f"{host.base_url()}/slack/files/upload/{file.secret}"
    return {"upload_url": url, "file_id": file.id}


def complete_upload(host: Host, call: Call) -> Json:
    """`files.completeUploadExternal`: the files become one `file_share` message a channel."""
    call.need("files:write")
    items = call.items("files", "invalid_arguments")
    if not items or not all(isinstance(one, dict) for one in items):
        raise invalid_arguments("must be a list of objects with id: files")
    found = []
    for item in items:
        file = host.files.get(str(item.get("id", "")))
        if file is None or file.data is None:
            raise SlackError("file_not_found")
        found.append(host.files.rename(file, str(item.get("title") or file.name)))
    given = call.text("channels").split(",") if call.text("channels") else [call.text("channel_id")]
    rooms = [host.room_to_post(call, one) for one in given if one]
    if call.text("thread_ts") and len(rooms) != 1:
        raise invalid_arguments("needs exactly one channel: thread_ts")
    shared = tuple(as_json(host, file, BOT_USER_ID) for file in found)
    for room in rooms:
        message = Message(
            channel=room.channel.id,
            ts=host.workspace.next_ts(room.channel.id),
            user=BOT_USER_ID,
            text=call.text("initial_comment"),
            subtype="file_share",
            thread_ts=host.parent_ts(room, call.text("thread_ts")),
            files=shared,
        )
        host.workspace.add(message)
    return {"files": list(shared)}


def as_json(host: Host, file: File, user: str) -> Json:
    """A file as messages have it; `user` uploaded it."""
    url = f"{host.base_url()}/slack/files/{file.id}/{quote(file.name, safe='')}"
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title,
        "mimetype": file.mimetype,
        "user": user,
        "size": len(file.data or b""),
        "mode": "hosted",
        "is_external": False,
        "url_private": url,
        "url_private_download": url,
    }


async def _content(request: web.Request) -> AsyncIterator[bytes]:
    """The uploaded bytes, piece by piece: the body itself, or the first file of a form."""
    if request.content_type != "multipart/form-data":
        async for piece in request.content.iter_chunked(_PIECE_BYTES):
            yield piece
        return
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.filename:
            while piece := await part.read_chunk(_PIECE_BYTES):
                yield piece
            return
    raise web.HTTPBadRequest(text="no file in the form")


class FileRoutes:
    """The HTTP side of the file store."""

    def __init__(self, store: FileStore, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post("/slack/files/upload/{secret}", self._upload)
        app.router.add_get("/slack/files/{id}/{name}", self._download)

    async def _upload(self, request: web.Request) -> web.Response:
        file = self._store.waiting_for(request.match_info["secret"])
        if file is None:
            raise web.HTTPNotFound(text="no such upload")
        data = bytearray()
        async for piece in _content(request):
            data += piece
            if len(data) > MAX_FILE_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_FILE_BYTES, len(data))
        self._store.fill(file, bytes(data))
        return web.Response(text=f"OK - {len(data)}")

    async def _download(self, request: web.Request) -> web.Response:
        caller = self._tokens.caller(request.headers.get("Authorization", ""))
        if caller is None or "files:read" not in caller.scopes:
            raise web.HTTPForbidden(text="a token with files:read is needed")
        file = self._store.get(request.match_info["id"])
        if file is None or file.data is None or file.name != request.match_info["name"]:
            raise web.HTTPNotFound(text="no such file")
        return web.Response(body=file.data, content_type=file.mimetype)
