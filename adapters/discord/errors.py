"""discord.py's errors turned into ours, in one place."""

from typing import Final

import aiohttp
import discord

from bot.errors import MessageGone, PlatformUnavailable

GONE: Final = frozenset(
    {10003, 10008, 10015, 40094, 50001, 50005, 50007, 50013, 50027, 50083, 160002, 160005}
)
"""Codes after which repeating is no use: unknown channel or message, no access, archived, a token
that has ended, follow-ups that are spent, …"""


def is_passing(error: Exception) -> bool:
    """Whether the same call may go well in a moment, and discord.py has not repeated it itself.

    It repeats 429, 500, 502, 504 and 524; 503 and a connection that broke it does not, but for
    ECONNRESET by the numbers of macOS and Windows.
    """
    if isinstance(error, discord.HTTPException):
        return error.status == 503
    return isinstance(error, aiohttp.ClientError | OSError)


def ours(error: Exception) -> PlatformUnavailable | MessageGone | None:
    """What a failed call means; None for what nobody foresaw."""
    if isinstance(error, discord.RateLimited):
        return PlatformUnavailable("Discord asks to wait", error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _refused(error)
    if isinstance(error, aiohttp.ClientError | OSError):
        return PlatformUnavailable(f"Discord cannot be reached: {error}")
    return None


def _refused(error: discord.HTTPException) -> PlatformUnavailable | MessageGone | None:
    # 403 and 404 are not worth a repeat, which counts towards a ban of the address.
    if error.status in {403, 404} or error.code in GONE:
        return MessageGone(f"Discord: {error.text} ({error.code})")
    if error.status == 401:
        # Not gone: another token may show the answer, and the Gateway tells of this one's end.
        return PlatformUnavailable("Discord refuses the token")
    if error.status == 429 or error.status >= 500:
        return PlatformUnavailable(f"Discord answers {error.status}", _retry_after_s(error))
    return None


def _retry_after_s(error: discord.HTTPException) -> float | None:
    """The header in seconds; its other form, a date, is none that Discord uses."""
    value = error.response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() else None
