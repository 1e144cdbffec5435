"""Routes of interactions, which go by an interaction's token and without the bot's."""

from typing import Final

from aiohttp import web

from adapters.sandbox.discord.bodies import EditForm
from adapters.sandbox.discord.drafts import Draft
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field, not_modelled
from adapters.sandbox.discord.forms import Body, checked, path_id, read_body
from adapters.sandbox.discord.ids import APPLICATION_ID
from adapters.sandbox.discord.interaction_forms import (
    DEFERRED,
    DEFERRED_UPDATE,
    MESSAGE,
    UPDATE,
    AnswerForm,
    CallbackForm,
)
from adapters.sandbox.discord.interactions import Interaction, Interactions
from adapters.sandbox.discord.message_bodies import draft_of, edit_of
from adapters.sandbox.discord.model import Json, Message
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.responses import Responses
from adapters.sandbox.discord.rest import nothing, reply
from adapters.sandbox.discord.state import State

_HOOK: Final = "/webhooks/{webhook_id}/{webhook_token}"
_MESSAGE: Final = _HOOK + "/messages/{message_id}"


class InteractionRoutes:
    """Callbacks, follow-ups, and what stands there already."""

    def __init__(
        self,
        *,
        state: State,
        payloads: Payloads,
        interactions: Interactions,
        responses: Responses,
    ) -> None:
        self._state = state
        self._payloads = payloads
        self._interactions = interactions
        self._responses = responses

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.post("/interactions/{interaction_id}/{webhook_token}/callback", self._callback),
            web.post(_HOOK, self._follow_up),
            web.get(_MESSAGE, self._get, allow_head=False),
            web.patch(_MESSAGE, self._edit),
            web.delete(_MESSAGE, self._delete),
        ]

    async def _callback(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        form = checked(CallbackForm, body.data)
        # Read first and looked up after: nothing is awaited from here to the answer, so that of two
        # callbacks one is the second.
        interaction = self._interactions.to_answer(
            path_id(request, "interaction_id"), request.match_info["webhook_token"]
        )
        inner = Body(form.data or {}, body.files)
        message: Message | None = None
        match form.type:
            case 4:
                message = self._responses.answer(interaction, self._draft(interaction, inner))
            case 5:
                flags = checked(AnswerForm, inner.data).sent_flags()
                message = self._responses.defer(interaction, flags)
            case 6:
                self._responses.defer_update(interaction)
            case 7:
                edited = checked(EditForm, inner.data)
                message = self._responses.update(
                    interaction, lambda source: edit_of(self._state, inner, edited, source)
                )
            case 9:
                self._responses.open_modal(interaction, inner.data)
            case 1 | 8 | 10 | 12:
                raise not_modelled("type", f"callbacks of type {form.type}")
            case _:
                raise invalid_field("type", "BASE_TYPE_CHOICES", "No such callback type")
        if request.query.get("with_response", "").lower() not in {"1", "true"}:
            return nothing()
        return reply(self._callback_response(interaction, form.type, message))

    async def _follow_up(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        interaction = self._interaction(request)
        message = self._responses.follow_up(interaction, self._draft(interaction, body))
        return reply(self._write(message))

    async def _get(self, request: web.Request) -> web.Response:
        return reply(self._write(self._message(request, self._interaction(request))))

    async def _edit(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        form = checked(EditForm, body.data)
        interaction = self._interaction(request)
        message = self._message(request, interaction)
        edit = edit_of(self._state, body, form, message)
        return reply(self._write(self._responses.change(interaction, message, edit)))

    async def _delete(self, request: web.Request) -> web.Response:
        self._responses.remove(self._message(request, self._interaction(request)))
        return nothing()

    def _interaction(self, request: web.Request) -> Interaction:
        if path_id(request, "webhook_id") != APPLICATION_ID:
            raise ApiError(Refusal.UNKNOWN_WEBHOOK)
        return self._interactions.of_token(request.match_info["webhook_token"])

    def _message(self, request: web.Request, interaction: Interaction) -> Message:
        is_original = request.match_info["message_id"] == "@original"
        wanted = interaction.original_id if is_original else path_id(request, "message_id")
        return self._responses.message(interaction, wanted)

    def _draft(self, interaction: Interaction, body: Body) -> Draft:
        channel = self._state.channel(interaction.channel_id)
        return draft_of(self._state, channel, body, checked(AnswerForm, body.data))

    def _write(self, message: Message) -> Json:
        return self._payloads.message(message, privileged=True)

    def _callback_response(
        self, interaction: Interaction, kind: int, message: Message | None
    ) -> Json:
        about: Json = {"id": str(interaction.id), "type": interaction.kind}
        resource: Json = {"type": kind}
        if message is not None:
            about |= {
                "response_message_id": str(message.id),
                "response_message_loading": interaction.is_loading,
                "response_message_ephemeral": message.seen_by is not None,
            }
            if kind in {MESSAGE, UPDATE}:
                resource["message"] = self._write(message)
        if kind in {DEFERRED, DEFERRED_UPDATE}:
            return {"interaction": about}
        return {"interaction": about, "resource": resource}
