"""`candor bench engine`, whole: real processes, a very small model, transformers beside it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import orjson
import psutil
import pytest

from tests.process import candor
from tests.tiny_model import make_tiny_model
from tests.waiting import until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its answers could end early, if the server let them."""
    path = tmp_path_factory.mktemp("bench") / "tiny"
    return make_tiny_model(path, context=4096, can_end=True)


@pytest.mark.slow
@pytest.mark.timeout(220)
async def test_one_command_measures_the_engine_and_its_peer(model: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    settings = {"CANDOR_SERVE_MODEL": str(model), "CANDOR_STATE_DIR": str(tmp_path / "state")}
    async with candor(
        *("bench", "engine", "--quick", "--chats", "1,8", "--json", str(found)),
        said=tmp_path / "said",
        settings=settings,
    ) as bench:
        status = await bench.ends(200)
    report = orjson.loads(found.read_bytes())
    targets = {target["name"]: target for target in report["targets"]}
    assert set(targets) == {"cpu_8_vs_transformers", "turn20_vs_turn2_ttft", "two_adapters_vs_base"}
    assert status == (0 if all(target["holds"] for target in report["targets"]) else 1), bench.said
    assert targets["cpu_8_vs_transformers"]["value"] > 0
    assert targets["turn20_vs_turn2_ttft"]["value"] > 0
    assert targets["two_adapters_vs_base"]["value"] > 0
    rows = report["rows"]
    chats = [row for row in rows if row["part"] == "chats"]
    assert {(row["engine"], row["chats"]) for row in chats} == {
        ("candor", 1),
        ("candor", 8),
        ("transformers", 1),
        ("transformers", 8),
    }
    assert all(row["output_tok_s"] > 0 and row["ttft_p50_s"] > 0 for row in chats)
    assert all(row["peak_rss_bytes"] > 50_000_000 for row in chats)
    turns = [row for row in rows if row["part"] == "turns"]
    assert [row["turn"] for row in turns] == list(range(1, 21))
    assert turns[19]["prompt_tokens"] > turns[0]["prompt_tokens"] * 10
    adapters = [row["releases"] for row in rows if row["part"] == "adapters"]
    assert adapters == [["tiny"], ["bench-stable", "bench-canary"]]
    [machine] = [row for row in rows if row["part"] == "machine"]
    assert machine["weight_bytes"] == 4 * (115_008 - 64 * 320)
    assert [row["chats"] for row in rows if row["part"] == "roofline"] == [1, 8]
    assert report["machine"]["transformers"]
    assert "Targets" in bench.said


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
async def test_however_the_bench_ends_it_leaves_no_process(
    model: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    environment = {**os.environ, "CANDOR_SERVE_MODEL": str(model)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "bench", "engine", "--quick", "--only", "chats"),
        env=environment | {"CANDOR_STATE_DIR": str(tmp_path)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    children: list[psutil.Process] = []

    def has_children() -> bool:
        children[:] = psutil.Process(process.pid).children(recursive=True)
        return bool(children)

    await until(has_children, within_s=30)
    process.send_signal(sent)
    status = await process.wait()
    assert status == (130 if sent is signal.SIGINT else -signal.SIGKILL)
    await until(lambda: not any(child.is_running() for child in children), within_s=30)


async def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    async with candor(
        *("bench", "engine", "--url", "http://127.0.0.1:9"),
        said=tmp_path / "said",
    ) as bench:
        assert await bench.ends() == 1
    assert bench.said.splitlines()[-1].startswith("candor: http://127.0.0.1:9 cannot be measured: ")
    assert "Traceback" not in bench.said
