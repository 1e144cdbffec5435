"""`candor bench engine`: who is measured is started, asked in turn, and ended.

Only one engine computes at a time. The peer is loaded before our server, which takes what memory
it finds. What cannot be started or measured becomes a row that says so; its targets do not hold.
"""

import asyncio
import os
import platform
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bot.bench import parts
from bot.bench.child import Child, running
from bot.bench.client import Client, opened
from bot.bench.errors import BenchError
from bot.bench.memory import listener
from bot.bench.parts import FAILURES, Bench, said
from bot.bench.plan import Plan, Report
from bot.bench.rows import CANDOR, TRANSFORMERS, Failed, Machine, Row, Rows
from bot.bench.subject import Peer, Server, Subject
from bot.bench.targets import Aim, targets
from bot.bench.workload import Speller, frame, pool
from bot.model_settings import ServeSettings
from bot.settings import Settings

RELEASES = ("bench-stable", "bench-canary")

_ADAPTERS = "adapters"
_POLL_S = 0.1

Json = dict[str, Any]
Tell = Callable[[str], None]


async def run(settings: Settings, plan: Plan, tell: Tell) -> Report:
    """Measure what the plan says; `tell` hears each step.

    Raises BenchError when the engine itself cannot be started or reached.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="candor-bench-")))
        return await _Run(settings, plan, tell, folder, stack).measure()


class _Run:
    """One run; everything it starts ends with `stack`."""

    def __init__(
        self, settings: Settings, plan: Plan, tell: Tell, folder: Path, stack: AsyncExitStack
    ) -> None:
        self._plan, self._tell, self._folder, self._stack = plan, tell, folder, stack
        self._settings = settings
        self._serve = _serve_settings(settings, plan)
        self._rows = Rows()
        self._has_peer = plan.has_peer and "chats" in plan.measured

    async def measure(self) -> Report:
        machine = here()
        device = "cuda" if self._serve.device == "cuda" else "cpu"
        facts = None
        if self._plan.url is None or self._has_peer or "roofline" in self._plan.measured:
            facts = await self._facts()
            machine |= facts
            device = facts["device"]
        peer = await self._peer() if self._has_peer else None
        server = await self._server()
        others = [await self._other(name, url) for name, url in self._plan.against]
        self._tell("making the questions")
        plan = self._plan
        speller = await _speller(server.client, plan.seed)
        bench = Bench(plan.size, speller, plan.seed, plan.chats, self._tell)
        servers = [server, *(other for other in others if other is not None)]
        subjects: list[Subject] = [server, *([peer] if peer else []), *servers[1:]]
        await self._measure(bench, server, servers, subjects, facts)
        against = (*([TRANSFORMERS] if self._has_peer else []), *(name for name, _ in plan.against))
        aim = Aim(server.name, device, plan.measured, plan.chats, against, plan.size.turns)
        return Report(self._rows, targets(aim, self._rows), machine)

    async def _measure(
        self,
        bench: Bench,
        server: Server,
        servers: list[Server],
        subjects: list[Subject],
        facts: Json | None,
    ) -> None:
        wanted = self._plan.measured
        for subject in subjects if "chats" in wanted else servers:
            try:
                await parts.warm(bench, subject)
            except FAILURES as error:
                if subject is server:
                    raise BenchError(f"{subject.name}: {said(error)}") from error
                # It will fail again where it is measured, and say so there.
        if "chats" in wanted:
            await self._take(parts.chats(bench, subjects))
        if "turns" in wanted:
            await self._take(parts.turns(bench, servers))
        if "roofline" in wanted and facts is not None:
            machine = _machine(facts)
            self._rows.add(machine)
            await self._take(parts.roofline(bench, server, machine))
        if "adapters" in wanted:
            try:
                await self._load_adapters(server.client)
            except FAILURES as error:
                self._fail("adapters", server.name, error)
            else:
                await self._take(parts.adapters(bench, server, RELEASES))

    async def _take(self, rows: AsyncIterator[Row]) -> None:
        async for row in rows:
            self._rows.add(row)

    def _fail(self, part: str, engine: str, error: BaseException) -> None:
        self._rows.add(Failed(part, engine, said(error)))

    async def _errand(self, module: str) -> Child:
        return await self._stack.enter_async_context(self._running(module))

    def _running(self, module: str) -> Any:
        return running("-m", f"bot.engine.{module}", said=self._folder / f"{module}.log")

    def _job(self, **more: Any) -> Json:
        serve = self._serve.model_dump(mode="json", exclude={"api_key", "api_key_file"})
        return {"serve": serve, "state_dir": str(self._settings.state_dir.resolve()), **more}

    async def _facts(self) -> Json:
        """The machine, and the model's needs, while nothing else runs."""
        self._tell("measuring the machine")
        seconds = self._plan.size.measure_s if "roofline" in self._plan.measured else 0
        async with self._running("roofline") as child:
            facts: Json = await child.ask(self._job(seconds=seconds))
        return facts

    async def _peer(self) -> Peer | None:
        self._tell(f"starting {TRANSFORMERS}")
        try:
            child = await self._errand("peer")
            tokens = self._plan.size.longest
            await child.ask(self._job(do="load", chats=self._plan.most_chats, tokens=tokens))
        except FAILURES as error:
            self._fail("chats", TRANSFORMERS, error)
            return None
        return Peer(TRANSFORMERS, child)

    async def _server(self) -> Server:
        self._tell("starting the server")
        plan = self._plan
        if plan.url is not None:
            return await self._found("server", plan.url, plan.api_key)
        socket = self._folder / "s"
        most = max(plan.most_chats, parts.ADAPTER_CHATS)
        environment = {
            "CANDOR_SERVE_SOCKET": str(socket),
            "CANDOR_SERVE_ADAPTERS_DIR": str(self._folder / _ADAPTERS),
            "CANDOR_SERVE_MODEL": self._serve.model,
            "CANDOR_SERVE_MAX_RUNNING": str(max(self._serve.max_running, most)),
            "CANDOR_LOG_FORMAT": "json",
        }
        config = ["--config", str(plan.config)] if plan.config else []
        child = await self._stack.enter_async_context(
            running(
                *("-m", "bot", "serve", "--supervised", *config),
                said=self._folder / "server.log",
                environment=environment,
                has_answers=False,
            )
        )
        key = self._serve.api_key.get_secret_value() if self._serve.api_key else None
        client = await self._stack.enter_async_context(
            opened("http://candor", socket=socket, api_key=key)
        )
        models: list[str] = []
        while not models:
            if child.has_ended:
                raise BenchError(f"candor serve ended: {child.last_line()}")
            try:
                models = await client.models()
            except FAILURES:
                await asyncio.sleep(_POLL_S)
        return Server(CANDOR, client, (models[0],), child.pid)

    async def _found(self, name: str, url: str, key: str | None) -> Server:
        """A server that runs already."""
        client = await self._stack.enter_async_context(opened(url, api_key=key))
        try:
            models = await client.models()
        except FAILURES as error:
            raise BenchError(f"{url} cannot be measured: {said(error)}") from error
        if not models:
            raise BenchError(f"{url} serves no model")
        return Server(name, client, (models[0],), listener(url))

    async def _other(self, name: str, url: str) -> Server | None:
        try:
            return await self._found(name, url, self._plan.api_key)
        except BenchError as error:
            self._fail("chats", name, error)
            return None

    async def _load_adapters(self, client: Client) -> None:
        """Two adapters with random weights, loaded into the server."""
        self._tell("making adapters")
        paths = [self._folder / _ADAPTERS / release for release in RELEASES]
        async with self._running("random_adapter") as child:
            await child.ask(self._job(paths=[str(path) for path in paths]))
        for release, path in zip(RELEASES, paths, strict=True):
            await client.load_adapter(release, path)


async def _speller(client: Client, seed: int) -> Speller:
    """Prompts in the server's own tokens, or as text where it tells none."""
    chats = [[{"role": "user", "content": word}] for word in ("apple", "seven")]
    try:
        one, other = [await client.tokenize(messages=chat) for chat in chats]
        tokens = await client.tokenize(prompt=pool(seed))
    except FAILURES:
        return Speller()
    before, after = frame(one, other)
    return Speller(before, tokens[1:], after)  # the first may mark the beginning of a text


def _serve_settings(settings: Settings, plan: Plan) -> ServeSettings:
    if plan.random_weights is None:
        return settings.serve
    model = f"random:{plan.random_weights.resolve()}"
    return settings.serve.model_copy(update={"model": model})


def _machine(facts: Json) -> Machine:
    return Machine(**{field.name: facts[field.name] for field in fields(Machine)})


def here() -> Json:
    """This machine, as far as it can be told without torch."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
