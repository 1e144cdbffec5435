"""Emoji characters and Slack's names for them.

A small table of what the page offers and people commonly use; any other well-formed name passes
through untranslated, as a workspace's custom emoji would.
"""

import re

# First name: what a reaction with this character carries. The others are Slack's aliases.
_TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("👍", ("+1", "thumbsup")),
    ("👎", ("-1", "thumbsdown")),
    ("❤️", ("heart",)),
    ("💔", ("broken_heart",)),
    ("🎉", ("tada",)),
    ("🙌", ("raised_hands",)),
    ("👏", ("clap",)),
    ("🙏", ("pray",)),
    ("👌", ("ok_hand",)),
    ("💯", ("100",)),
    ("🔥", ("fire",)),
    ("🚀", ("rocket",)),
    ("⭐", ("star",)),
    ("✅", ("white_check_mark",)),
    ("✔️", ("heavy_check_mark",)),
    ("❌", ("x",)),
    ("⛔", ("no_entry",)),
    ("⚠️", ("warning",)),
    ("❓", ("question",)),
    ("❗", ("exclamation", "heavy_exclamation_mark")),
    ("👀", ("eyes",)),
    ("🤔", ("thinking_face",)),
    ("😀", ("grinning",)),
    ("😄", ("smile",)),
    ("😂", ("joy",)),
    ("🙂", ("slightly_smiling_face",)),
    ("😍", ("heart_eyes",)),
    ("😕", ("confused",)),
    ("🙁", ("slightly_frowning_face",)),
    ("😞", ("disappointed",)),
    ("😢", ("cry",)),
    ("😡", ("rage",)),
    ("😴", ("sleeping",)),
    ("🤖", ("robot_face",)),
    ("🤥", ("lying_face",)),
    ("🍯", ("honey_pot",)),
    ("💩", ("hankey", "poop", "shit")),
    ("👋", ("wave",)),
    ("💪", ("muscle",)),
    ("⏳", ("hourglass_flowing_sand",)),
    ("🛑", ("octagonal_sign",)),
    ("🔄", ("arrows_counterclockwise",)),
)

_VARIATION_SELECTOR = "\ufe0f"
_TONES = {chr(0x1F3FB + step): f"::skin-tone-{step + 2}" for step in range(5)}
_TONE_CHARACTERS = {suffix: character for character, suffix in _TONES.items()}
_NAMES = {character.rstrip(_VARIATION_SELECTOR): names[0] for character, names in _TABLE}
_CHARACTERS = {name: character for character, names in _TABLE for name in names}
_VALID_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(?:::skin-tone-[2-6])?")


def is_valid_name(name: str) -> bool:
    """Whether Slack would take `name` as the name of a reaction."""
    return _VALID_NAME.fullmatch(name) is not None


def name_of(emoji: str) -> str | None:
    """Slack's name of a character (👍 -> `+1`, 👍🏽 -> `+1::skin-tone-4`).

    A well-formed name is returned as it is; None when it is neither.
    """
    tone = _TONES.get(emoji[-1:], "")
    bare = (emoji[:-1] if tone else emoji).rstrip(_VARIATION_SELECTOR)
    if bare in _NAMES:
        return _NAMES[bare] + tone
    return emoji if is_valid_name(emoji) else None


def shown_as(name: str) -> str:
    """What a person sees for a reaction: the character where the table has it, else `:name:`."""
    base, separator, tone = name.partition("::")
    character = _CHARACTERS.get(base)
    if character is None:
        return f":{name}:"
    return character + _TONE_CHARACTERS.get(separator + tone, "")
