"""The audit of a platform as JSON: quick, since it lists every message that exists."""

from collections.abc import Iterable
from typing import Any

import orjson
from aiohttp import web

from adapters.sandbox.platform import AuditView


def audit_answer(found: Iterable[AuditView]) -> web.Response:
    """All messages for an auditor; their reactions by person, since a vote is a person's."""
    return quick_answer([_audited(one) for one in found])


def quick_answer(data: Any) -> web.Response:
    """An answer that may be large, as JSON."""
    return web.Response(
        body=orjson.dumps(data),
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def _audited(one: AuditView) -> dict[str, Any]:
    view = one.view
    by_person: dict[str, list[str]] = {}
    for reaction in view.reactions:
        for person in reaction.users:
            by_person.setdefault(person, []).append(reaction.emoji)
    return {
        "id": view.id,
        "user": view.user,
        "bot": view.bot,
        "text": view.text,
        "thread": view.thread,
        "reply_to": view.reply_to,
        "edited": view.edited,
        "reactions": by_person,
        "bursts": one.bursts,
        "channel": one.channel,
        "person": one.person,
        "nonce": one.nonce,
        "metadata": one.metadata,
        "streaming": one.streaming,
    }
