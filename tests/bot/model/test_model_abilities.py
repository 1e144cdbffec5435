"""What a server can do: what it serves, where it is, and whether it counts."""

from pathlib import Path

import pytest
from aiohttp import web

from bot.errors import ModelError, ModelUnavailable
from bot.model import Delta, Message, Model
from bot.model.abilities import IMAGE_TOKENS
from tests.bot.model.support import QUESTION, answer_of, client_of, saying
from tests.scripted_model import ScriptedModel, scripted_model


async def test_the_first_model_of_the_server_is_asked_when_none_is_named() -> None:
    async with client_of(ScriptedModel(context=2048)) as model:
        served = await model.served()
        assert (served.name, served.context) == ("scripted", 2048)


async def test_a_context_that_the_server_does_not_tell_is_none() -> None:
    async with client_of(ScriptedModel(context=None)) as model:
        assert (await model.served()).context is None


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    async with scripted_model() as server, Model(server.url, name="gpt-9") as model:
        with pytest.raises(ModelError) as caught:
            await model.served()
    assert str(caught.value) == (
        f"the model server at {server.url} has no model 'gpt-9'; it has scripted"
    )


async def test_a_server_without_any_model_is_told() -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    server = ScriptedModel()
    server.models = nothing  # type: ignore[method-assign]
    async with client_of(server) as model:
        with pytest.raises(ModelError, match=f"^the model server at {server.url} serves no model"):
            await model.served()


async def test_a_url_may_end_in_a_slash() -> None:
    async with scripted_model() as server, Model(server.url + "/") as model:
        assert (await model.served()).name == "scripted"
        assert await model.count_tokens(QUESTION) == 2


async def test_a_server_behind_a_path_is_reached() -> None:
    app = web.Application()
    server = ScriptedModel()
    app.router.add_get("/llm/v1/models", server.models)
    app.router.add_post("/llm/tokenize", server.count)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/llm/v1"
        async with Model(url) as model:
            assert await model.count_tokens(QUESTION) == 2
    finally:
        await runner.cleanup()


async def test_a_unix_socket_is_used_in_place_of_host_and_port(tmp_path: Path) -> None:
    path = tmp_path / "model.sock"
    async with (
        scripted_model(saying("Text"), socket=path) as server,
        Model(server.url, socket=path) as model,
    ):
        assert await model.healthy()
        assert await model.count_tokens(QUESTION) == 2
        assert (await answer_of(model))[0] == Delta("Text")


async def test_a_unix_socket_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with Model("http://localhost/v1", socket=tmp_path / "none.sock") as model:
        with pytest.raises(ModelUnavailable):
            await model.served()
        assert not await model.healthy()


async def test_a_server_is_healthy_while_it_answers() -> None:
    async with Model("http://127.0.0.1:1/v1") as none:
        assert not await none.healthy()
    async with scripted_model() as server, Model(server.url) as model:
        assert await model.healthy()
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    async with Model(server.url) as model:
        assert not await model.healthy()
        async with scripted_model(server, port=port):
            assert await model.healthy()


async def test_an_unopened_client_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Model("http://127.0.0.1:1/v1").served()


# Counting


async def test_the_server_counts_the_tokens() -> None:
    server = ScriptedModel()
    async with client_of(server) as model:
        messages: list[Message] = [{"role": "user", "content": "one two three"}]
        assert await model.count_tokens(messages) == 4
        assert await model.count_tokens([]) == 0
    assert server.counted == 2


async def test_where_the_server_cannot_count_it_is_asked_once_and_then_estimated() -> None:
    server = ScriptedModel(tokenize=False)
    async with client_of(server) as model:
        short = await model.count_tokens([{"role": "user", "content": "word " * 10}])
        long = await model.count_tokens([{"role": "user", "content": "word " * 1000}])
    assert server.counted == 1
    assert short >= 10
    assert 1000 <= long <= 3000


async def test_an_estimate_is_never_too_low_for_text_of_many_tokens_a_sign() -> None:
    """A prompt that is thought to fit and does not is refused by the server."""
    async with client_of(ScriptedModel(tokenize=False)) as model:
        content = "日本語の文章です" * 50
        counted = await model.count_tokens([{"role": "user", "content": content}])
    assert counted >= len(content)


async def test_a_server_that_does_not_answer_does_not_end_the_counting() -> None:
    server = ScriptedModel()
    async with client_of(server) as model:
        served = await model.served()
        assert served.name == "scripted"
    port = int(server.url.split(":")[2].removesuffix("/v1"))
    async with Model(server.url) as model:
        with pytest.raises(ModelUnavailable):
            await model.count_tokens(QUESTION)
        async with scripted_model(server, port=port):
            assert await model.count_tokens(QUESTION) == 2


@pytest.mark.parametrize("tokenize", [True, False])
async def test_an_image_counts_as_many_tokens_as_images_have_about(tokenize: bool) -> None:
    asked: Message = {"role": "user", "content": "What?"}
    seen: Message = {**asked, "images": ["data:image/png;base64,x", "data:image/png;base64,y"]}
    async with client_of(ScriptedModel(tokenize=tokenize)) as model:
        more = await model.count_tokens([seen]) - await model.count_tokens([asked])
    assert more == 2 * IMAGE_TOKENS


@pytest.mark.parametrize(
    ("told", "sees"),
    [
        ({}, False),
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"architecture": "llama"}, False),
        ({"capabilities": {"vision": True}}, True),
        ({"capabilities": {"vision": False}}, False),
        ({"capabilities": ["completion", "multimodal"]}, True),
        ({"modalities": ["text"], "input_modalities": ["image"]}, True),
        ({"modalities": "image", "capabilities": 3}, False),
    ],
)
async def test_whether_a_model_sees_is_what_its_server_says(
    told: dict[str, object], sees: bool
) -> None:
    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "scripted", **told}]})

    server = ScriptedModel()
    server.models = models  # type: ignore[method-assign]
    async with client_of(server) as model:
        assert (await model.served()).sees is sees
