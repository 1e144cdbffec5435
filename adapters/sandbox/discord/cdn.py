"""Files under signed addresses that expire, as on Discord's CDN.

Nobody needs a token to read one; the signature is the permission. Whatever people upload is sent
as a download, never as a page of this origin.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from aiohttp import web

from adapters.sandbox.discord.model import Attachment
from adapters.sandbox.discord.state import State

DEFAULT_LIFE_S: Final = 86_400.0
"""How long a signed address lives; Discord's live about a day."""


class Cdn:
    """Signs addresses of attachments and serves them."""

    def __init__(
        self,
        *,
        state: State,
        clock: Callable[[], float],
        life_s: float,
        base_url: Callable[[], str],
    ) -> None:
        self._state = state
        self._clock = clock
        self._life_s = life_s
        self._base_url = base_url
        self._key = secrets.token_bytes(32)

    def url_of(self, channel_id: int, file: Attachment) -> str:
        """An address of the file that lives from now on."""
        issued = int(self._clock())
        expires = int(issued + self._life_s)
        path = f"attachments/{channel_id}/{file.id}/{file.filename}"
        ex, is_ = f"{expires:x}", f"{issued:x}"
        signature = self._sign(path, ex, is_)
        return f"{self._base_url()}/discord/cdn/{path}?ex={ex}&is={is_}&hm={signature}"

    async def serve(self, request: web.Request) -> web.Response:
        """The file, or 404 for an address that is unknown, changed or expired."""
        path = "attachments/{channel}/{attachment}/{filename}".format(**request.match_info)
        ex, is_, signature = (request.query.get(key, "") for key in ("ex", "is", "hm"))
        expected = self._sign(path, ex, is_)
        valid = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        file = self._find(request) if valid and int(ex, 16) >= self._clock() else None
        if file is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(
            body=file.data,
            content_type=file.content_type,
            headers={
                "Content-Disposition": f'attachment; filename="{file.filename}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    def _find(self, request: web.Request) -> Attachment | None:
        # A valid signature vouches for the shape of the path.
        channel_id = int(request.match_info["channel"])
        attachment_id = int(request.match_info["attachment"])
        for message in self._state.history(channel_id):
            for file in message.attachments:
                if file.id == attachment_id:
                    return file
        return None

    def _sign(self, path: str, ex: str, is_: str) -> str:
        text = f"{path}\n{ex}\n{is_}".encode(errors="replace")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
