"""The buttons under answers, by ids that hold all there is to know: they outlive the process."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import discord
from discord import ButtonStyle

from adapters import wording
from adapters.interaction import CONTROLS, Form, button_id, form_of, pressed
from bot.domain import Control

LOOKS: Final[dict[Control, tuple[str, str | None]]] = {
    "stop": ("⏹", wording.BUTTONS["stop"]),
    "again": ("🔁", wording.BUTTONS["again"]),
    "continue": ("▶", wording.BUTTONS["continue"]),
    "up": ("👍", None),
    "down": ("👎", None),
}
"""The emoji and the words of each; votes need none."""

Interaction = discord.Interaction[Any]


def buttons(controls: tuple[Control, ...], turn: str) -> discord.ui.View | None:
    """The row of buttons of a turn; None for none."""
    if not controls:
        return None
    row = discord.ui.View(timeout=None)
    for control in controls:
        emoji, label = LOOKS[control]
        row.add_item(
            discord.ui.Button(
                style=ButtonStyle.secondary,
                emoji=emoji,
                label=label,
                custom_id=button_id(control, turn),
            )
        )
    return _unkept(row)


def form_button(form: Form) -> discord.ui.View:
    """The button that opens a form."""
    row = discord.ui.View(timeout=None)
    label = wording.OPENS[form.kind]
    row.add_item(discord.ui.Button(style=ButtonStyle.secondary, label=label, custom_id=form.id))
    return _unkept(row)


def listeners(
    press: Callable[[Interaction, Control, str], Awaitable[None]],
    open_form: Callable[[Interaction, Form], Awaitable[None]],
) -> tuple[type[discord.ui.DynamicItem[Any]], ...]:
    """What a client listens with for both kinds of buttons, whoever posted them, and when."""

    class ControlButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=rf"candor:(?:{'|'.join(CONTROLS)}):.+",
    ):
        @classmethod
        async def from_custom_id(
            cls, interaction: Interaction, item: Any, match: Any
        ) -> "ControlButton":
            return cls(item)

        async def callback(self, interaction: Interaction) -> None:
            found = pressed(self.custom_id)
            if found is not None:
                await press(interaction, *found)

    class FormButton(
        discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"candor:form:\w+:.*"
    ):
        @classmethod
        async def from_custom_id(
            cls, interaction: Interaction, item: Any, match: Any
        ) -> "FormButton":
            return cls(item)

        async def callback(self, interaction: Interaction) -> None:
            form = form_of(self.custom_id)
            if form is not None:
                await open_form(interaction, form)

    return (ControlButton, FormButton)


def _unkept(row: discord.ui.View) -> discord.ui.View:
    """discord.py keeps each view that it sends, for ever when it has no end; these need none."""
    row.stop()
    return row
