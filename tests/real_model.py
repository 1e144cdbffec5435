"""The packaged default model for tests, unpacked once and kept between runs."""

from pathlib import Path

from bot.engine import default_model


def converted_default_model(cache: Path) -> Path:
    """The directory of the unpacked default model, under `cache` as a state directory.

    A quarter of a minute the first time. A server whose state directory is `cache` finds it as
    `smollm2`; any other can be given the directory itself.
    """
    return default_model.converted(cache)
