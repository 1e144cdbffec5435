"""The name of this process in the inbox: the same for each process on one state directory.

The directory's lock lets one of them live at a time, so what an earlier one of the name held is
free to take.
"""

import uuid
from pathlib import Path

from bot.errors import ConfigError


def worker_name(state_dir: Path) -> str:
    """The name kept in `state_dir`, made at the first call. Raises ConfigError."""
    path = state_dir / "worker"
    try:
        if path.exists() and (name := path.read_text("ascii").strip()):
            return name
        name = uuid.uuid4().hex
        draft = path.with_suffix(".new")
        draft.write_text(name, "ascii")
        draft.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be used: {error}") from error
    return name
