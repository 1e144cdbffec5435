"""The adapters that requests can name: loaded, listed and unloaded while the engine serves.

Owned by the event loop. A name means one content for as long as it is loaded. Loading reads and
checks on a side thread; then the name is there, and the engine's thread meets the weights with the
first request that uses them, so it never waits. Unloading takes the name away; requests that were
taken before hold the adapter themselves and finish on it.
"""

import asyncio
import re
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot.engine import adapter_file
from bot.engine.adapter_file import AdapterError
from bot.engine.lora import Adapter, stack
from bot.engine.threads import on_own_thread
from bot.engine.weights import LoadedModel
from bot.errors import RefusedError

log = structlog.get_logger(__name__)

MAX_ADAPTERS = 16
"""A few releases and what is being tried; each holds memory beside the model."""

_NAME = re.compile(r"[A-Za-z0-9][\w.:/+-]{0,127}")


class UnknownRelease(RefusedError):
    """No model and no adapter has the name that a request gives."""


class Adapters:
    """The adapters of one model, loaded from inside `folder` alone (None: from nowhere)."""

    def __init__(self, loaded: LoadedModel, folder: Path | None) -> None:
        self._loaded = loaded
        self._folder = folder
        self._named: dict[str, Adapter] = {}
        self._loading = asyncio.Lock()

    def listed(self) -> tuple[Adapter, ...]:
        """All that requests can name, in the order they were loaded."""
        return tuple(self._named.values())

    def find(self, name: str) -> Adapter:
        """The adapter of that name. Raises UnknownRelease."""
        adapter = self._named.get(name)
        if adapter is None:
            known = ", ".join([self._loaded.id, *self._named])
            raise UnknownRelease(f"the model {name!r} does not exist; this server has {known}")
        return adapter

    async def load(self, name: str, path: str, sha256: str | None = None) -> Adapter:
        """Load the adapter in the folder `path` (relative to the adapters' folder, or inside it).

        Loading a name again is fine while its content is the same. Raises AdapterError, with one
        line, for whatever cannot be loaded, or a name that is taken.
        """
        if not _NAME.fullmatch(name):
            raise AdapterError(f"{name!r} is no name for an adapter")
        if name == self._loaded.id:
            raise AdapterError(f"{name!r} is the model itself")
        async with self._loading:
            adapter = await on_own_thread(partial(self._read, name, path, sha256))
            known = self._named.get(name)
            if known is not None and known.sha256 == adapter.sha256:
                return known
            if known is not None:
                raise AdapterError(
                    f"{name!r} is loaded with other content: unload it first, or take another name"
                )
            if len(self._named) >= MAX_ADAPTERS:
                raise AdapterError(f"{MAX_ADAPTERS} adapters are loaded: unload one first")
            self._named[name] = adapter
        log.info("adapter.loaded", name=name, sha256=adapter.sha256, num_bytes=adapter.num_bytes)
        return adapter

    def unload(self, name: str) -> None:
        """Take the name away: the next request does not find it. Raises UnknownRelease."""
        self.find(name)
        del self._named[name]
        log.info("adapter.unloaded", name=name)

    def _read(self, name: str, path: str, sha256: str | None) -> Adapter:
        model: Any = self._loaded.model
        groups = self._loaded.linears
        if self._folder is None or not self._folder.is_dir():
            raise AdapterError(f"there is no folder {self._folder} to load adapters from")
        inside = self._folder.resolve()
        try:
            where = (inside / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise AdapterError(f"{path!r} is no path") from error
        if not where.is_relative_to(inside):
            raise AdapterError(f"{path!r} lies outside of the folder that adapters come from")
        if not where.is_dir():
            raise AdapterError(f"there is no adapter in {path!r}", is_missing=True)
        found = adapter_file.read(
            where,
            {linear.name: linear for group in groups for linear in group},
            inside=inside,
            device=self._loaded.device,
            dtype=model.get_input_embeddings().weight.dtype,
            sha256=sha256,
        )
        stacked = tuple(stack(group, found.pairs) for group in groups)
        return Adapter(name, path, found.sha256, stacked)
