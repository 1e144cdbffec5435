"""Adapters over the API: vLLM's two calls, and OpenAI's `model`."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from tests.bot.engine.support import Serving
from tests.tiny_adapter import make_tiny_adapter

HI: Any = [{"role": "user", "content": "Hi, who are you?"}]


@pytest.fixture
def adapters(tiny: Path, tmp_path: Path) -> Path:
    """Where a server under test looks, with one adapter."""
    make_tiny_adapter(tmp_path / "adapters" / "v2", tiny, 3)
    return tmp_path / "adapters"


async def post(http: aiohttp.ClientSession, path: str, **body: Any) -> tuple[int, Any]:
    async with http.post(path, json=body) as response:
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def test_a_loaded_adapter_is_a_model_until_it_is_unloaded(
    serving: Serving, adapters: Path
) -> None:
    async with (
        serving() as address,
        AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        aiohttp.ClientSession(address) as http,
    ):
        how: Any = {"messages": HI, "max_tokens": 24, "temperature": 0}
        status, text = await post(
            http, "/v1/load_lora_adapter", lora_name="canary", lora_path=str(adapters / "v2")
        )
        assert (status, text) == (200, "Success: LoRA adapter 'canary' added successfully.")
        listed = {model.id: model.model_extra or {} async for model in client.models.list()}
        assert listed["canary"]["parent"] == "tiny"
        assert listed["canary"]["root"] == str(adapters / "v2")
        assert listed["tiny"]["parent"] is None
        both = await asyncio.gather(
            *(client.chat.completions.create(model=name, **how) for name in ("tiny", "canary"))
        )
        assert [answer.model for answer in both] == ["tiny", "canary"]
        assert both[0].choices[0].message.content != both[1].choices[0].message.content
        plain = await client.completions.create(model="canary", prompt="Hi", max_tokens=3)
        assert plain.model == "canary"
        assert (await post(http, "/tokenize", model="canary", prompt="Hi"))[0] == 200
        assert (await post(http, "/v1/unload_lora_adapter", lora_name="canary"))[0] == 200
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="canary", **how)
        assert caught.value.code == "model_not_found"
        assert [model.id async for model in client.models.list()] == ["tiny"]


async def test_what_cannot_be_loaded_has_openai_s_shape(
    serving: Serving, tiny: Path, adapters: Path, tmp_path: Path
) -> None:
    make_tiny_adapter(adapters / "v3", tiny, 4)
    make_tiny_adapter(adapters / "dora", tiny, 4, use_dora=True)
    make_tiny_adapter(tmp_path / "away", tiny, 4)
    good = {"lora_name": "a", "lora_path": "v2"}
    async with serving() as address, aiohttp.ClientSession(address) as http:
        assert (await post(http, "/v1/load_lora_adapter", **good))[0] == 200
        assert (await post(http, "/v1/load_lora_adapter", **good))[0] == 200
        for wanted, body in (
            (400, good | {"lora_path": "v3"}),
            (400, {"lora_name": "b", "lora_path": "dora"}),
            (400, {"lora_name": "b", "lora_path": "../away"}),
            (400, {"lora_name": "tiny", "lora_path": "v2"}),
            (400, {"lora_name": "b"}),
            (400, {"lora_name": "b", "lora_path": "v2", "sha256": "short"}),
            (400, {"lora_name": "b", "lora_path": "v2", "sha256": "0" * 64}),
            (400, good | {"lora_path": "v3", "load_inplace": True}),
            (404, {"lora_name": "b", "lora_path": "nowhere"}),
        ):
            status, answer = await post(http, "/v1/load_lora_adapter", **body)
            assert status == wanted, body
            assert answer["error"]["type"] == "invalid_request_error"
            assert set(answer["error"]) == {"message", "type", "param", "code"}
        for wanted, body in ((404, {"lora_name": "b"}), (400, {})):
            status, answer = await post(http, "/v1/unload_lora_adapter", **body)
            assert status == wanted
            assert answer["error"]["param"] == "lora_name"
        status, answer = await post(http, "/v1/chat/completions", model="a", messages=HI, n=2)
        assert status == 400


async def test_the_folder_is_a_setting_and_the_key_is_asked_for(
    serving: Serving, tiny: Path, tmp_path: Path
) -> None:
    mine = make_tiny_adapter(tmp_path / "mine" / "v1", tiny, 6).parent
    body = {"lora_name": "a", "lora_path": "v1"}
    async with (
        serving(adapters_dir=mine, api_key="s3cret") as address,
        aiohttp.ClientSession(address) as http,
    ):
        assert (await post(http, "/v1/load_lora_adapter", **body))[0] == 401
        http.headers["Authorization"] = "Bearer s3cret"
        assert (await post(http, "/v1/load_lora_adapter", **body))[0] == 200
