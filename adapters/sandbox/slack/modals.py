"""The modals that are open before people: at most three on each other, for each person.

Owns their ids and hashes. What an app may do with them is in `views`, what a person does in
`interactions`.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from adapters.sandbox.slack.directory import APP_ID, BOT_ID, TEAM_ID
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.messages import Json

MAX_STACKED = 3


@dataclass(frozen=True, slots=True)
class Modal:
    """One modal: `view` as the app gave it, checked; `hash` changes with each change of it."""

    id: str
    user: str
    view: Json
    hash: str
    root: str
    previous: str | None
    values: Json = field(default_factory=dict)

    def as_json(self) -> Json:
        """The view object as the app gets it; it never has what a person is typing."""
        view = self.view
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "type": "modal",
            "blocks": view["blocks"],
            "private_metadata": view.get("private_metadata") or "",
            "callback_id": view.get("callback_id") or "",
            "state": {"values": self.values},
            "hash": self.hash,
            "title": view["title"],
            "clear_on_close": bool(view.get("clear_on_close", False)),
            "notify_on_close": bool(view.get("notify_on_close", False)),
            "close": view.get("close"),
            "submit": view.get("submit"),
            "previous_view_id": self.previous,
            "root_view_id": self.root,
            "app_id": APP_ID,
            "external_id": view.get("external_id") or "",
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
        }


class Modals:
    """Who has which modals open; `changed` is told of each change."""

    def __init__(self, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._stacks: dict[str, list[Modal]] = {}

    def top(self, user: str) -> Modal | None:
        """The modal that a person sees."""
        stack = self._stacks.get(user)
        return stack[-1] if stack else None

    def find(self, *, id_: str = "", external_id: str = "") -> Modal:
        """An open modal by either id; raises SlackError `not_found`."""
        for stack in self._stacks.values():
            for modal in stack:
                named = modal.view.get("external_id") or ""
                if (id_ and modal.id == id_) or (external_id and named == external_id):
                    return modal
        raise SlackError("not_found")

    def open(self, user: str, view: Json) -> Modal:
        """Show a modal in the place of all that the person had open."""
        self._stacks.pop(user, None)
        return self._show(user, view, previous=None)

    def push(self, user: str, view: Json) -> Modal:
        """Lay a modal on the others; raises SlackError `push_limit_reached`, `not_found`."""
        top = self.top(user)
        if top is None:
            raise SlackError("not_found")
        if len(self._stacks[user]) >= MAX_STACKED:
            raise SlackError("push_limit_reached")
        return self._show(user, view, previous=top)

    def update(self, modal: Modal, view: Json) -> Modal:
        """Show another view in a modal's place, in which what was typed stays by its ids."""
        self._refuse_twins(view, but=modal.id)
        new = replace(modal, view=view, hash=self._hash(view))
        stack = self._stacks[modal.user]
        stack[[one.id for one in stack].index(modal.id)] = new
        self._changed()
        return new

    def close(self, modal: Modal, *, all_: bool = False) -> None:
        """Take a person's top modal away, or all of theirs."""
        stack = self._stacks.get(modal.user, [])
        remaining = [] if all_ else [one for one in stack if one.id != modal.id]
        self._stacks[modal.user] = remaining
        self._changed()

    def _show(self, user: str, view: Json, *, previous: Modal | None) -> Modal:
        self._refuse_twins(view, but="")
        id_ = "V" + secrets.token_hex(5).upper()
        modal = Modal(
            id=id_,
            user=user,
            view=view,
            hash=self._hash(view),
            root=previous.root if previous else id_,
            previous=previous.id if previous else None,
        )
        self._stacks.setdefault(user, []).append(modal)
        self._changed()
        return modal

    def _refuse_twins(self, view: Json, *, but: str) -> None:
        name = view.get("external_id")
        others = (one for stack in self._stacks.values() for one in stack if one.id != but)
        if name and any(one.view.get("external_id") == name for one in others):
            raise SlackError("duplicate_external_id")

    def _hash(self, view: Json) -> str:
        digest = hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()
        return f"{int(self._clock())}.{digest[:8]}{secrets.token_hex(2)}"
