"""The question that somebody asked by a command or a message's menu, as a message of ours.

That message is the question: it stands where all can see it, and says itself who asked what, in its
metadata. So it is understood when it is read back by a process that did not write it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters import wording
from adapters.slack.blocks import message_of
from adapters.surface import Content
from bot.domain import Incoming, MessageRef, Person, Quote, Standing

ASK: Final = "candor_ask"
"""The type of the metadata; also the name of the menu's entry and of its form."""
TEXT_CHARS: Final = 3_000
QUOTE_CHARS: Final = 4_000
"""Most of a question, and of the message that is asked about, that an echo keeps."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked; `name` is what they are called, `is_outside` whether they belong to
    another organisation."""

    user: str
    name: str
    text: str
    quote: Quote | None = None
    is_outside: bool = False


def echo(asked: Asked, *, shows_quote: bool) -> dict[str, Any]:
    """The arguments of the message; with `shows_quote` it shows what is asked about, too."""
    payload: dict[str, str | bool] = {"user": asked.user, "text": asked.text}
    if asked.is_outside:
        payload["outside"] = True
    quote = asked.quote
    if quote is not None:
        payload |= {"quote_author": quote.author, "quote_text": quote.text}
    text = wording.asks(asked.name, asked.text, quote if shows_quote else None)
    return {
        **message_of(Content(text), ""),
        "metadata": {"event_type": ASK, "event_payload": payload},
        "unfurl_links": False,
        "unfurl_media": False,
    }


def echoed(message: Mapping[str, Any], *, team: str) -> Incoming | None:
    """The question that a message of ours is, as Slack shows it; None for all others."""
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != ASK:
        return None
    payload = metadata.get("event_payload")
    if not isinstance(payload, Mapping):
        return None
    channel, ts = str(message.get("channel") or ""), str(message.get("ts") or "")
    user, text = str(payload.get("user") or ""), str(payload.get("text") or "")
    if not (channel and ts and user and text):
        return None
    quote = Quote(str(payload.get("quote_author") or ""), str(payload.get("quote_text") or ""))
    return question(
        Asked(user, "", text, quote if quote.text else None, payload.get("outside") is True),
        MessageRef("slack", team, channel, ts),
        thread=str(message.get("thread_ts") or "") or None,
    )


def question(asked: Asked, ref: MessageRef, *, thread: str | None) -> Incoming:
    """The question that the message `ref` is; `thread` is the parent's ts, None at the top."""
    is_dm = ref.channel.startswith("D")
    return Incoming(
        ref=ref,
        author=Person("slack", asked.user),
        text=asked.text,
        place="dm" if is_dm else "thread",
        sent_at=float(ref.message),
        thread=thread or (None if is_dm else ref.message),
        mentions_bot=True,
        quotes=() if asked.quote is None else (asked.quote,),
        standing=Standing(is_outside=asked.is_outside),
    )
