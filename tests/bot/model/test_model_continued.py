"""An answer that goes on after its beginning, or begins anew where it cannot."""

from contextlib import aclosing

import pytest
from aiohttp import web

from bot.domain import Sampling
from bot.errors import Busy, ModelError, ModelUnavailable, TooLong
from bot.model import Delta, Model
from tests.bot.model.support import QUESTION, SAMPLING, answer_of, client_of, saying
from tests.scripted_model import ScriptedModel, scripted_model

RESTART = Delta(restart=True)
FIELDS = ("continue_final_message", "add_generation_prompt")


async def test_only_what_is_new_comes_after_what_was_begun() -> None:
    server = saying("It is ", "so, and ", "not otherwise.")
    async with client_of(server) as model:
        assert await answer_of(model, begun="It is so, a") == [
            Delta("nd "),
            Delta("not otherwise."),
            Delta(finish="stop"),
        ]
    [request] = server.requests
    assert request["messages"] == [*QUESTION, {"role": "assistant", "content": "It is so, a"}]
    assert [request[name] for name in FIELDS] == [True, False]
    assert request["max_tokens"] == SAMPLING.max_tokens - 4  # words


async def test_an_answer_from_its_start_is_asked_for_as_ever() -> None:
    server = saying("Text")
    async with client_of(server) as model:
        await answer_of(model, begun="")
    assert not set(FIELDS) & set(server.requests[0])
    assert server.requests[0]["max_tokens"] == SAMPLING.max_tokens


async def test_a_whole_answer_goes_on_with_its_end_alone() -> None:
    async with client_of(saying("It is so.")) as model:
        assert await answer_of(model, begun="It is so.") == [Delta(finish="stop")]


ANSWER = "One  two,\n\n- three\n\tfour \u00a0 five.\n"


@pytest.mark.parametrize("cut", range(len(ANSWER) + 1))
@pytest.mark.parametrize("size", [1, 3, 100])
async def test_wherever_an_answer_is_cut_no_space_is_lost_or_doubled(cut: int, size: int) -> None:
    """The spaces at the end are not sent, for a model seldom goes on well after them."""
    pieces = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    server = saying(*pieces)
    async with client_of(server) as model:
        deltas = await answer_of(model, begun=ANSWER[:cut])
    assert ANSWER[:cut] + "".join(delta.text for delta in deltas) == ANSWER
    assert not any(delta.restart for delta in deltas)
    assert [delta for delta in deltas if not delta.text] == [Delta(finish="stop")]
    sent = server.requests[0]["messages"][-1]
    assert sent["content"] == (ANSWER[:cut].rstrip() or "Why?")


async def test_other_spaces_than_those_that_are_there_are_new() -> None:
    async with client_of(saying("One", "\n\ntwo")) as model:
        for seam in ("\n", "\n\n", " ", "\n \n", "\n\n\n"):
            deltas = await answer_of(model, begun="One" + seam)
            text = "".join(delta.text for delta in deltas)
            assert text.lstrip() == "two"
            assert len(seam + text) >= len("\n\ntwo")


# Without what the server lacks


@pytest.mark.parametrize("unknown", [FIELDS[:1], FIELDS[1:], (*FIELDS, "repetition_penalty")])
async def test_a_server_that_does_not_know_the_fields_begins_anew(unknown: tuple[str, ...]) -> None:
    server = saying("It is ", "so.")
    server.unknown = unknown
    async with client_of(server) as model:
        for _ in range(2):
            assert await answer_of(model, begun="It ") == [
                RESTART,
                Delta("It is "),
                Delta("so."),
                Delta(finish="stop"),
            ]
    last = server.requests[-1]
    assert last["messages"] == QUESTION
    assert last["max_tokens"] == SAMPLING.max_tokens
    assert not set(FIELDS) & set(last)
    assert "frequency_penalty" in last
    assert ("repetition_penalty" in last) == ("repetition_penalty" not in unknown)


class Closed(ScriptedModel):
    """Refuses a last message that is the assistant's, in words of its own."""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["messages"][-1]["role"] == "assistant":
            self.requests.append(body)
            said = {"error": {"message": "prefill is incompatible with enable_thinking"}}
            return web.json_response(said, status=400)
        return await super().chat(request)


async def test_a_refusal_to_go_on_is_known_in_any_words() -> None:
    server = Closed(answer=lambda _: ["It is so."])
    async with client_of(server) as model:
        deltas = await answer_of(model, begun="It ")
    assert deltas == [RESTART, Delta("It is so."), Delta(finish="stop")]
    assert len(server.requests) == 2


async def test_the_penalties_are_kept_where_only_going_on_is_refused() -> None:
    server = saying("It is so.")
    server.unknown = FIELDS
    async with client_of(server) as model:
        await answer_of(model, begun="It")
        await answer_of(model)
    assert all("frequency_penalty" in request for request in server.requests)


@pytest.mark.parametrize(
    ("refuse", "kind"),
    [
        ((400, "context_length_exceeded"), TooLong),
        ((429, ""), Busy),
        ((503, ""), ModelUnavailable),
        ((401, ""), ModelError),
    ],
)
async def test_what_is_no_refusal_to_go_on_is_told_as_ever(
    refuse: tuple[int, str], kind: type[Exception]
) -> None:
    server = ScriptedModel(refuse=refuse)
    async with client_of(server) as model:
        with pytest.raises(kind):
            await answer_of(model, begun="I heard")
    assert len(server.requests) == 1


async def test_a_server_that_refuses_even_a_new_answer_is_told() -> None:
    server = ScriptedModel(refuse=(400, ""))
    async with client_of(server) as model:
        with pytest.raises(ModelError):
            await answer_of(model, begun="I heard")
    assert [FIELDS[0] in request for request in server.requests] == [True, False]


async def test_a_server_that_passes_over_the_fields_cannot_be_told_from_one_that_goes_on() -> None:
    server = saying("It is so.")
    server.continues = False
    async with client_of(server) as model:
        assert await answer_of(model, begun="It is") == [
            Delta("It is so."),
            Delta(finish="stop"),
        ]


# The length


async def test_an_answer_that_has_its_length_already_is_not_asked_for() -> None:
    server = saying("word " * 100)
    async with client_of(server) as model:
        begun = "word " * SAMPLING.max_tokens
        assert await answer_of(model, begun=begun) == [Delta(finish="length")]
        assert server.requests == []
        begun = "word " * (SAMPLING.max_tokens - 1)
        assert (await answer_of(model, begun=begun))[-1] == Delta(finish="stop")
    assert server.requests[0]["max_tokens"] == 1


async def test_where_the_server_cannot_count_nothing_of_an_answer_is_cut_off() -> None:
    server = saying("word " * 100)
    server.tokenize = False
    sampling = Sampling(temperature=0, top_p=1, repetition_penalty=1, max_tokens=100)
    begun = "word " * 80
    async with client_of(server) as model:
        asked = model.stream(QUESTION, sampling, user="u", begun=begun)
        async with aclosing(asked) as deltas:
            assert [delta async for delta in deltas]
    assert 20 <= server.requests[0]["max_tokens"] < 100
    assert server.counted == 1


async def test_a_server_that_is_gone_when_it_is_to_count_is_unavailable() -> None:
    async with scripted_model() as server, Model(server.url) as model:
        await model.served()
        url = server.url
    async with Model(url) as model:
        with pytest.raises(ModelUnavailable):
            await answer_of(model, begun="I")


# The test's own server


async def test_the_scripted_model_leaves_out_what_stands_before_the_next_word() -> None:
    waited: list[str] = []

    async def wait() -> None:
        waited.append("waited")

    async with client_of(saying("one ", wait, ConnectionResetError(), "two ", wait, "3")) as model:
        deltas = await answer_of(model, begun="one ")
        assert "".join(delta.text for delta in deltas) == "two 3"
        assert waited == ["waited"]
        with pytest.raises(ModelUnavailable, match="no answer of this test begins with"):
            await answer_of(model, begun="two")
