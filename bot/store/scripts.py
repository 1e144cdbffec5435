"""The Lua scripts beside this module, each one atomic step."""

from importlib.resources import files

from redis.commands.core import AsyncScript

from bot.store.connection import Client


def script(client: Client, name: str) -> AsyncScript:
    """The script `name`.lua, loaded into the server at its first call."""
    return client.register_script(files("bot.store").joinpath(f"{name}.lua").read_text("utf-8"))
