"""How Discord writes: short messages, no tables. Who is pinged is told with each call."""

from typing import Final

from adapters.markdown import Dialect, utf16_size

LIMIT: Final = 2000
"""Characters of a message that a bot may send (docs.discord.com, Create Message)."""

DISCORD: Final = Dialect(LIMIT, utf16_size, shows_tables=False)
"""UTF-16 units: never fewer than what Discord counts."""
