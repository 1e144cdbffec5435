"""A real soak, short and without kills: real processes, from the command line to the ledger."""

import asyncio
import re
import signal
from pathlib import Path

import orjson
import psutil

from tests.process import candor
from tests.waiting import until


async def test_a_short_soak_without_kills_and_faults_holds(tmp_path: Path) -> None:
    found, kept = tmp_path / "ledger.json", tmp_path / "kept"
    async with candor(
        *("soak", "--people", "4", "--minutes", "0.25", "--kills", "0", "--no-faults"),
        *("--settle", "20", "--json", str(found), "--keep", str(kept)),
        said=tmp_path / "said.log",
    ) as process:
        status = await process.ends(60)
        assert status == 0, process.said
        assert "Targets" in process.said
    ledger = orjson.loads(found.read_bytes())
    assert ledger["breaches"] == []
    assert all(target["holds"] for target in ledger["targets"])
    counts = ledger["counts"]
    gone = counts.get("deleted questions", 0)
    assert counts["questions"] >= 4
    assert counts["whole answers"] + gone == counts["questions"]
    assert counts["lives of the bot"] == 1
    assert counts["kills"] == 0
    assert b"answer" in (kept / "bot.log").read_bytes()


async def test_ctrl_c_ends_all_children_and_leaves_nothing_behind(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with candor(
        *("soak", "--people", "2", "--minutes", "5", "--kills", "0", "--no-faults"),
        *("--keep", str(kept)),
        said=tmp_path / "said.log",
    ) as process:
        # Valkey is a daemon, and no child any more.
        pid_file = kept / "state" / "valkey" / "valkey.pid"

        def is_up() -> bool:
            said = kept / "bot.log"
            return said.exists() and b"Candor is ready" in said.read_bytes()

        await until(is_up, lambda: process.said, within_s=30)
        children = psutil.Process(process.process.pid).children(recursive=True)
        commands = " ".join(" ".join(child.cmdline()) for child in children)
        assert re.search(r"-m bot sandbox.*-m bot run|-m bot run.*-m bot sandbox", commands)
        valkey = psutil.Process(int(pid_file.read_text("ascii")))
        await asyncio.sleep(1)
        process.process.send_signal(signal.SIGINT)
        assert await process.ends(40) == 130, process.said
        assert "Traceback" not in process.said
        for child in (*children, valkey):
            assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
