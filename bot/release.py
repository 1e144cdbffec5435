"""The release that the settings describe: what answers, named by its content."""

import hashlib
from dataclasses import asdict

import orjson

from bot.domain import Release, Sampling
from bot.model_settings import ModelSettings


def release_of(settings: ModelSettings, model: str, now: float) -> Release:
    """The release of these settings with the served model's name.

    Its id is the first 12 hexadecimal digits of the SHA-256 of its content.
    """
    sampling = Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        repetition_penalty=settings.repetition_penalty,
        max_tokens=settings.max_tokens,
        frequency_penalty=settings.frequency_penalty,
    )
    content = {
        "model": model,
        "system_prompt": settings.system_prompt,
        "sampling": asdict(sampling),
    }
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Release(digest[:12], model, settings.system_prompt, sampling, now)
