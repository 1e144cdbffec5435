"""What people do that the app has to answer at once: presses, commands, shortcuts, modals.

Each goes to the app once, over the transport of the day, and the act is over when the app has
acknowledged it; Slack's word for what went wrong is the ControlError's. What was sent and how it
was answered is kept in `Interactions.log`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.sandbox.platform import ControlError
from adapters.sandbox.slack import interactive_payload as payload
from adapters.sandbox.slack.delivery import AskKind, Transport
from adapters.sandbox.slack.elements import Pressable, pressable
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.modals import Modal, Modals
from adapters.sandbox.slack.response_urls import ResponseUrls
from adapters.sandbox.slack.settings import Knobs
from adapters.sandbox.slack.text import compose
from adapters.sandbox.slack.triggers import Triggers
from adapters.sandbox.slack.view_rules import Field, buttons, checked_modal, fields
from adapters.sandbox.slack.workspace import Room, Workspace

MAX_LOGGED = 1_000
TROUBLE = "We had some trouble connecting. Try again?"
"""What Slack's client shows when an app does not answer a modal or a shortcut."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One act and its answer: `type` is the payload's ("/ask" for a command)."""

    kind: AskKind
    type: str
    body: Json
    answer: Json | None
    failure: str | None


class Interactions:
    """The acts of people; `transport` tells how they reach the app now."""

    def __init__(
        self,
        workspace: Workspace,
        knobs: Knobs,
        triggers: Triggers,
        modals: Modals,
        urls: ResponseUrls,
        transport: Callable[[], Transport],
    ) -> None:
        self.log: deque[Asked] = deque(maxlen=MAX_LOGGED)
        self._workspace = workspace
        self._knobs = knobs
        self._triggers = triggers
        self._modals = modals
        self._urls = urls
        self._transport = transport
        # Feedback buttons remember which side a person chose; the app is never told of it.
        self._chosen: dict[tuple[str, str, str, str], str] = {}

    async def press(self, room: Room, message: Message, user: str, button: str) -> None:
        """Press a button under a message. Raises ControlError."""
        pressed = _pressed(pressable(message.blocks), button)
        if pressed.choice is not None and self._takes_back(message, pressed, user):
            return
        body = payload.press_on_message(
            message,
            self._workspace.as_json(message),
            room.channel,
            payload.action(pressed, self._now()),
            user=user,
        )
        body["trigger_id"] = self._triggers.issue(user)
        body["response_url"] = self._urls.issue(user, room.channel.id, original=message.ts)
        failure, _ = await self._ask("interactive", "block_actions", body)
        if failure is not None:
            raise ControlError(f"the app did not answer the button ({failure})")

    async def press_in_modal(self, modal: Modal, button: str) -> None:
        """Press a button in the open modal. Raises ControlError."""
        pressed = _pressed(buttons(modal.view["blocks"]), button)
        body = payload.press_in_modal(modal, payload.action(pressed, self._now()))
        body["trigger_id"] = self._triggers.issue(modal.user, modal.id)
        failure, _ = await self._ask("interactive", "block_actions", body)
        if failure is not None:
            raise ControlError(TROUBLE)

    async def command(self, room: Room, user: str, typed: str) -> None:
        """Run a slash command. Raises ControlError in the words of Slack's client."""
        name, _, rest = typed.strip().partition(" ")
        if name not in self._knobs.commands:
            raise ControlError(f"{name} is not a valid command")
        text, _ = compose(rest.strip(), self._workspace.users)
        body = payload.command(name, text, room.channel, user=user)
        body["trigger_id"] = self._triggers.issue(user)
        body["response_url"] = self._urls.issue(user, room.channel.id)
        failure, answer = await self._ask("slash_commands", name, body)
        if failure is not None:
            raise ControlError(f'{name} failed with the error "{failure}"')
        if answer:
            try:
                self._urls.answer(user, room.channel.id, answer)
            except SlackError as error:
                raise ControlError(f'{name} failed with the error "{error.code}"') from error

    async def shortcut(self, room: Room, message: Message, user: str, name: str) -> None:
        """Use an entry of a message's menu. Raises ControlError."""
        callback_id = self._knobs.shortcuts.get(name)
        if callback_id is None:
            raise ControlError(f"there is no shortcut {name!r}")
        shown = self._workspace.as_json(message)
        at = self._now()
        body = payload.shortcut(callback_id, message, shown, room.channel, user=user, at=at)
        body["trigger_id"] = self._triggers.issue(user)
        body["response_url"] = self._urls.issue(user, room.channel.id, original=message.ts)
        failure, _ = await self._ask("interactive", "message_action", body)
        if failure is not None:
            raise ControlError(TROUBLE)

    async def submit(self, modal: Modal, values: Mapping[str, str]) -> None:
        """Hand the open modal in. Raises ControlError, also with what the app finds wrong."""
        filled = replace(modal, values=_typed(fields(modal.view["blocks"]), values))
        body = payload.submission(filled) | {"trigger_id": self._triggers.issue(modal.user)}
        failure, answer = await self._ask("interactive", "view_submission", body)
        if failure is not None:
            raise ControlError(TROUBLE)
        try:
            self._respond(modal, answer or {})
        except SlackError as error:
            raise ControlError(TROUBLE) from error

    async def dismiss(self, modal: Modal) -> None:
        """Close the open modal; the app is told if it wanted to know. Raises ControlError."""
        self._modals.close(modal, all_=bool(modal.view.get("clear_on_close", False)))
        if modal.view.get("notify_on_close"):
            body = payload.closing(modal, is_cleared=bool(modal.view.get("clear_on_close", False)))
            failure, _ = await self._ask("interactive", "view_closed", body)
            if failure is not None:
                raise ControlError(TROUBLE)

    def _respond(self, modal: Modal, answer: Json) -> None:
        """Do with a modal that was handed in what the app says. Raises SlackError."""
        match answer.get("response_action"):
            case None:
                self._modals.close(modal)
            case "clear":
                self._modals.close(modal, all_=True)
            case "update":
                self._modals.update(modal, checked_modal(answer.get("view")))
            case "push":
                self._modals.push(modal.user, checked_modal(answer.get("view")))
            case "errors" if isinstance(answer.get("errors"), dict) and answer["errors"]:
                lines = [f"{block}: {line}" for block, line in answer["errors"].items()]
                raise ControlError("; ".join(lines))
            case unknown:
                raise SlackError(f"invalid response_action: {unknown}")

    def _takes_back(self, message: Message, pressed: Pressable, user: str) -> bool:
        """Whether feedback is taken back by the same side again, which no app is told of.

        A field report: GitLab's merge request 244668.
        """
        key = message.channel, message.ts, pressed.element["action_id"], user
        if self._chosen.get(key) == pressed.id:
            del self._chosen[key]
            return True
        self._chosen[key] = pressed.id
        return False

    async def _ask(self, kind: AskKind, type_: str, body: Json) -> tuple[str | None, Json | None]:
        answer = await self._transport().ask(kind, body)
        self.log.append(Asked(kind, type_, body, answer.payload, answer.failure))
        return answer.failure, answer.payload

    def _now(self) -> str:
        return f"{self._workspace.clock():.6f}"


def _pressed(there: Iterable[Pressable], button: str) -> Pressable:
    for one in there:
        if button in (one.id, f"{one.block_id}/{one.id}"):
            return one
    raise ControlError(f"there is no button {button!r}")


def _typed(there: Sequence[Field], values: Mapping[str, str]) -> Json:
    """What a person typed as the state of a view; raises ControlError as Slack's client does."""
    known = {f"{one.block_id}/{one.action_id}": one for one in there}
    for name in values:
        if name not in known:
            raise ControlError(f"there is no field {name!r}")
    state: Json = {}
    for name, one in known.items():
        text = values.get(name, one.value)
        if not text and one.required:
            raise ControlError(f"{one.label}: please complete this required field")
        if text and not one.min_length <= len(text) <= one.max_length:
            raise ControlError(f"{one.label}: {one.min_length} to {one.max_length} characters")
        typed = {"type": "plain_text_input", "value": text or None}
        state.setdefault(one.block_id, {})[one.action_id] = typed
    return state
