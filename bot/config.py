"""Reading the settings: `config.toml` and the environment into one validated, frozen object.

Nobody else reads the environment or the file. A wrong setting raises ConfigError with one line
that names the key, the value and what is allowed; the value of a secret is never shown.
"""

import os
import re
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.errors import ConfigError
from bot.settings import ENV_PREFIX, Settings, fields, is_secret, section

CONFIG_VARIABLE = "CANDOR_CONFIG"
DEFAULT_PATH = Path("config.toml")
LONGEST_SHOWN = 100
"""Characters of a wrong value that its line repeats."""

_PASSWORD = re.compile(r"//[^/@]*@")


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `path`, from `CANDOR_CONFIG`, or from `config.toml` if it exists.

    The environment wins over the file. Raises ConfigError, with one line for the person who
    wrote the setting.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    file = named or DEFAULT_PATH
    values = _read(file) if named or file.exists() else {}
    known = variables() | {CONFIG_VARIABLE}
    for variable in sorted(environ):
        # pydantic-settings reads them in any case.
        if variable.upper().startswith(ENV_PREFIX) and variable.upper() not in known:
            raise ConfigError(
                f"environment: {variable} is not a setting; see config.example.toml for all"
            )
    _check_lists(environ)
    try:
        return Settings(**values)
    except ValidationError as error:
        line = _line(error, file, environ)
    raise ConfigError(line)  # outside the handler: a ValidationError's text may hold a secret


def variables() -> frozenset[str]:
    """The names of all environment variables that are settings."""
    return frozenset(_variable(*filter(None, (table, key))) for table, key, _ in fields())


def example() -> str:
    """The text of `config.example.toml`: every setting with its meaning and its default."""
    lines = [
        "# Every setting of Candor, with its default. Copy what you change into config.toml;",
        "# each can also come from the environment, as the name in brackets.",
    ]
    seen = ""
    for table, key, field in fields():
        if table != seen:
            kind = section(table)
            lines += ["", f"# {kind.__doc__}" if kind else "", f"[{table}]"]
            seen = table
        default = field.default
        value = _toml(default) if default is not None else _toml(f"<{key}>")
        about = f"{field.description} [{_variable(*filter(None, (table, key)))}]"
        lines += ["", *textwrap.wrap(about, 96, initial_indent="# ", subsequent_indent="# ")]
        lines += [f"# {key} = {value}"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _variable(*path: str) -> str:
    return ENV_PREFIX + "_".join(path).upper()


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error


def _check_lists(environ: Mapping[str, str]) -> None:
    """Raise ConfigError for a list that is not one: pydantic-settings does not tell which."""
    lists = {
        _variable(table, key) for table, key, field in fields() if isinstance(field.default, tuple)
    }
    for variable, value in environ.items():
        if variable.upper() not in lists:
            continue
        try:
            is_list = isinstance(orjson.loads(value), list)
        except orjson.JSONDecodeError:
            is_list = False
        if not is_list:
            raise ConfigError(
                f"environment {variable} = {_shown(value)} should be a JSON list, "
                'such as ["C0123ABCD"]'
            )


def _line(error: ValidationError, file: Path, environ: Mapping[str, str]) -> str:
    problems = error.errors(include_url=False, include_context=False)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _describe(problems[0], file, environ) + more


def _describe(problem: ErrorDetails, file: Path, environ: Mapping[str, str]) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join(path)
    variable = _variable(*path)
    where = f"environment {variable}" if variable in environ else str(file)
    if problem["type"] == "extra_forbidden":
        return f"{where}: {key} is not a setting; {_allowed(path)}"
    if problem["type"] == "model_type":
        return f"{where}: {key} should be a table, [{key}]"
    said = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if isinstance(problem["input"], dict):  # the value is a whole table, which may hold secrets
        return f"{where}: [{key}] {said}"
    secret = any([table, name] == path and is_secret(field) for table, name, field in fields())
    shown = "(secret)" if secret else _shown(problem["input"])
    return f"{where}: {key} = {shown} {said}"


def _shown(value: object) -> str:
    """A value on one short line, without the password of a URL."""
    text = _PASSWORD.sub("//…@", repr(value))
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _allowed(path: list[str]) -> str:
    table = section(path[0]) if len(path) > 1 else None
    if table is not None:
        return f"allowed in [{path[0]}]: {', '.join(table.model_fields)}"
    return f"allowed: {', '.join(Settings.model_fields)}"
