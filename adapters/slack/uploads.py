"""Long code below an answer, as files in its thread.

In three steps, so that it is known by which ids the files may stand there before they do: a place
for each file, its content, and one message for all of them.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import yarl
from slack_sdk.errors import SlackApiError

from adapters.markdown import CodeFile
from adapters.slack.calls import Calls
from adapters.slack.errors import code
from adapters.surface import FilesRefused
from bot.errors import PlatformUnavailable

UPLOAD_S: Final = 30.0
"""Seconds that the content of one file may take."""
HOST: Final = "slack.com"


async def upload(calls: Calls, files: Sequence[CodeFile]) -> list[str]:
    """Bring the content of files to Slack, where nobody sees it yet; their ids.

    Raises PlatformUnavailable, FilesRefused.
    """
    ids = []
    async with aiohttp.ClientSession() as session:
        for file in files:
            data = file.text.encode()
            try:
                place = await calls.do(
                    "files.getUploadURLExternal", filename=file.name, length=len(data)
                )
            except SlackApiError as error:  # such as an app without the scope files:write
                raise FilesRefused(f"Slack: {code(error)}") from error
            await _send(session, _checked(calls, str(place.get("upload_url", ""))), data)
            ids.append(str(place.get("file_id", "")))
    return ids


async def share(
    calls: Calls, ids: Sequence[str], files: Sequence[CodeFile], *, channel: str, thread: str | None
) -> None:
    """Post files that were brought to Slack. Raises PlatformUnavailable also where they may stand
    there, MessageGone, FilesRefused."""
    named = [{"id": id_, "title": file.name} for id_, file in zip(ids, files, strict=True)]
    try:
        await calls.do(
            "files.completeUploadExternal", files=named, channel_id=channel, thread_ts=thread
        )
    except SlackApiError as error:
        raise FilesRefused(f"Slack: {code(error)}") from error


async def _send(session: aiohttp.ClientSession, url: yarl.URL, data: bytes) -> None:
    try:
        async with (
            asyncio.timeout(UPLOAD_S),
            session.post(url, data=data, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise PlatformUnavailable(f"Slack's file store answers {answer.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PlatformUnavailable(f"Slack's file store cannot be reached: {error!r}") from error


def _checked(calls: Calls, url: str) -> yarl.URL:
    """An address that Slack gave for a file. Raises PlatformUnavailable for a foreign one."""
    try:
        found, api = yarl.URL(url), yarl.URL(str(calls.client.base_url))
        is_api = found.origin() == api.origin()
    except ValueError as error:
        raise PlatformUnavailable("Slack gives no address for a file") from error
    host = found.host or ""
    is_slack = found.scheme == "https" and (host == HOST or host.endswith(f".{HOST}"))
    if not (is_slack or is_api):
        raise PlatformUnavailable("Slack gives a foreign address for a file")
    return found
