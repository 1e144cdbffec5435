"""The sandbox by the settings."""

import aiohttp
from cryptography.fernet import Fernet

from adapters.stand_in import configured, stand_in
from bot.settings import Settings


def settings(**slack: object) -> Settings:
    return Settings.model_validate({"sandbox": {"port": 0}, "slack": slack})


async def test_without_any_token_both_platforms_are_made_up() -> None:
    assert not configured(settings())
    async with stand_in(settings()) as sandbox:
        slack = sandbox.settings.slack
        assert slack.bot_token is not None
        assert slack.client_id is None
        assert configured(sandbox.settings)


async def test_with_a_client_id_the_sandbox_s_workspaces_install_the_app() -> None:
    given = settings(
        app_token="xapp-1",
        client_id="1.2",
        client_secret="a secret",
        token_key=Fernet.generate_key().decode(),
    )
    assert configured(given)
    async with stand_in(given) as sandbox, aiohttp.ClientSession() as session:
        slack = sandbox.settings.slack
        assert slack.bot_token is None
        assert slack.client_secret == given.slack.client_secret
        assert slack.token_key == given.slack.token_key
        page = f"{slack.authorize_url}?client_id=1.2&scope=chat:write"
        async with session.get(page) as response:
            text = await response.text()
            assert response.status == 200, text
        assert "T0SANDBOX1" in text
        assert "T2SANDBOX1" in text


async def test_shards_are_left_as_they_are_set() -> None:
    given = Settings.model_validate({"sandbox": {"port": 0}, "discord": {"sharded": True}})
    async with stand_in(given) as sandbox:
        assert sandbox.settings.discord.sharded
