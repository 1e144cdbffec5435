"""What a wrong setting is told, where settings come from, and that secrets stay secret."""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import config
from bot.config import load
from bot.errors import ConfigError
from bot.settings import Settings, fields, is_secret

SENTINEL = "hunter2-hunter2"
"""What must never be seen."""

SECRETS = [(table, key) for table, key, field in fields() if is_secret(field)]

VAULT_KEY = f"{'A' * 43}="

VALID = {
    ("redis", "url"): f"redis://:{SENTINEL}@127.0.0.1:6379/0",
    ("slack", "bot_token"): f"xoxb-{SENTINEL}",
    ("slack", "app_token"): f"xapp-{SENTINEL}",
    ("slack", "token_key"): f"{SENTINEL}{'A' * 28}=",
}

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the settings file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def refusal(path: Path | None = None, environ: dict[str, str] | None = None) -> str:
    """The one line that the settings are refused with."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    line = str(caught.value)
    assert "\n" not in line
    return line


def valid(table: str, key: str) -> str:
    return VALID.get((table, key), SENTINEL)


def with_secret(table: str, key: str, value: str, *, end: str = "") -> str:
    """A file with one secret (or, by the key's `end`, its file), and what else its table needs."""
    lines = [f"[{table}]", f"{key}{end} = {value}"]
    if table == "slack":
        others = {"bot_token": '"xoxb-1"', "app_token": '"xapp-1"', "signing_secret": '"1"'}
        lines += [f"{name} = {other}" for name, other in others.items() if name != key]
    return "\n".join(lines)


def everything_said(error: BaseException) -> str:
    """The error's text, its whole chain's, and the traceback."""
    said = ["".join(traceback.format_exception(error))]
    chain: list[BaseException | None] = [error]
    for link in chain:
        if link is not None and chain.count(link) == 1:
            said += [str(link), repr(link)]
            chain += [link.__cause__, link.__context__]
    return "\n".join(said)


# Where settings come from


def test_without_a_file_all_settings_have_their_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={})
    assert settings == Settings()
    assert settings.state_dir == Path("state")
    assert settings.discord.token is None
    assert settings.slack.bot_token is None


def test_config_toml_in_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text("[model]\ntemperature = 1.5\n", "utf-8")
    assert load(environ={}).model.temperature == 1.5


def test_the_file_named_by_the_environment_is_read(write: Write) -> None:
    path = write("[chat]\nmax_waiting = 7\n")
    assert load(environ={"CANDOR_CONFIG": str(path)}).chat.max_waiting == 7


def test_the_path_given_wins_over_the_one_named_by_the_environment(write: Write) -> None:
    path = write("[chat]\nmax_waiting = 7\n")
    assert load(path, {"CANDOR_CONFIG": "/nowhere/config.toml"}).chat.max_waiting == 7


def test_the_environment_wins_over_the_file_key_by_key(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDOR_MODEL_MAX_TOKENS", "64")
    settings = load(write("[model]\nmax_tokens = 32\ntemperature = 0.25\n"))
    assert settings.model.max_tokens == 64
    assert settings.model.temperature == 0.25


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("CANDOR_STATE_DIR", "/var/lib/candor", lambda s: s.state_dir == Path("/var/lib/candor")),
        ("CANDOR_SLACK_MODE", "http", lambda s: s.slack.mode == "http"),
        ("CANDOR_DISCORD_MESSAGE_CONTENT", "false", lambda s: s.discord.message_content is False),
        ("CANDOR_CHAT_MAX_WAITING_CONVERSATION", "3", lambda s: _each(s) == 3),
        ("CANDOR_MODEL_URL", "http://10.0.0.1/v1/", lambda s: s.model.url == "http://10.0.0.1/v1"),
    ],
)
def test_each_key_has_its_variable(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    read: Callable[[Settings], bool],
) -> None:
    monkeypatch.setenv(variable, value)
    assert read(load(write("")))


def _each(settings: Settings) -> int:
    return settings.chat.max_waiting_conversation


# What a wrong setting is told: the place, the key, the value, and what is allowed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nope = 1", "nope is not a setting; allowed: state_dir, log, redis, model,"),
        ("[nope]\nkey = 1", "nope is not a setting; allowed: state_dir, log, redis, model,"),
        ('[log]\nlevl = "info"', "log.levl is not a setting; allowed in [log]: level, format"),
        ("log = 3", "log should be a table, [log]"),
        ('discord = "token"', "discord should be a table, [discord]"),
        ("[[log]]\nlevel = 'info'", "log should be a table, [log]"),
        (
            '[log]\nlevel = "loud"',
            "log.level = 'loud' should be 'debug', 'info', 'warning' or 'error'",
        ),
        ("[log]\nlevel = 3", "log.level = 3 should be 'debug', 'info', 'warning' or 'error'"),
        ("[model]\ntemperature = 5", "model.temperature = 5 should be less than or equal to 2"),
        ('[model]\ntemperature = "warm"', "model.temperature = 'warm' should be a valid number"),
        ("[model]\nmax_tokens = 1.5", "model.max_tokens = 1.5 should be a valid integer"),
        ('[model]\nname = ""', "model.name = ''"),
        ("[model]\nurl = 3", "model.url = 3 should be a valid string"),
        (
            '[model]\nurl = "ftp://host"',
            "model.url = 'ftp://host' should be a URL such as https://host/path",
        ),
        ('[model]\nurl = "http://"', "model.url = 'http://' should be a URL such as https://"),
        (
            '[discord]\ngateway_url = "https://host"',
            "discord.gateway_url = 'https://host' should be a URL such as wss://host",
        ),
        (
            '[discord]\nmessage_content = "perhaps"',
            "discord.message_content = 'perhaps' should be a valid boolean",
        ),
        ("[serve]\nport = 70000", "serve.port = 70000 should be less than or equal to 65535"),
        ('[serve]\ndevice = "tpu"', "serve.device = 'tpu' should be 'auto', 'cpu' or 'cuda'"),
        ("state_dir = 3", "state_dir = 3"),
        (
            "[chat]\nmax_waiting = 0\nstop_s = -1",
            "chat.max_waiting = 0 should be greater than or equal to 1 (and 1 more)",
        ),
    ],
)
def test_a_wrong_setting_in_the_file_is_one_line_with_key_value_and_what_is_allowed(
    write: Write, text: str, line: str
) -> None:
    path = write(text)
    assert refusal(path).startswith(f"{path}: {line}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('bot_token = "xoxp-1"', "bot_token should start with xoxb-"),
        ('bot_token = "xoxb-1"', "mode socket needs app_token"),
        ('bot_token = "xoxb-1"\napp_token = "1"', "app_token should start with xapp-"),
        ('bot_token = "xoxb-1"\nmode = "http"', "mode http needs signing_secret"),
        (
            'bot_token = "xoxb-1"\napp_token = "xapp-1"\nclient_id = "1.2"',
            "give bot_token, for one workspace, or client_id, for all that install the app",
        ),
        ('client_id = "1.2"', "client_id needs client_secret"),
        (
            'client_id = "1.2"\nclient_secret = "1"',
            "client_id needs token_key: make one with `candor slack key`",
        ),
        (
            f'client_id = "1.2"\nclient_secret = "1"\ntoken_key = "{VAULT_KEY}"',
            "mode socket needs app_token",
        ),
    ],
)
def test_slack_settings_that_cannot_work_together_are_refused(
    write: Write, text: str, line: str
) -> None:
    path = write(f"[slack]\n{text}\n")
    assert refusal(path) == f"{path}: [slack] {line}"


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_complete_slack_settings_are_taken(write: Write, mode: str) -> None:
    other = {"socket": "app_token = 'xapp-1'", "http": "signing_secret = '1'"}[mode]
    path = write(f"[slack]\nbot_token = 'xoxb-1'\nmode = '{mode}'\n{other}\n")
    assert load(path, {}).slack.mode == mode


def test_several_keys_for_slack_s_tokens_are_taken_with_spaces_between_them(write: Write) -> None:
    both = f"{VAULT_KEY}, {VAULT_KEY}"
    settings = load(write(f'[slack]\ntoken_key = "{both}"\n'), {})
    assert settings.slack.token_key is not None
    assert settings.slack.token_key.get_secret_value() == both


@pytest.mark.parametrize("key", ["hunter2", f"{'A' * 42}=", f"{'A' * 43}=,"])
def test_a_key_for_slack_s_tokens_of_the_wrong_form_is_told_unseen(write: Write, key: str) -> None:
    line = refusal(write(f'[slack]\ntoken_key = "{key}"\n'))
    assert line.endswith(
        "slack.token_key = (secret) should be keys made by `candor slack key`, with commas between "
        "them"
    )


def test_a_file_that_is_no_toml_is_told_with_the_place_in_it(write: Write) -> None:
    path = write("[model\nname = 1")
    assert refusal(path).startswith(f"{path} is not TOML: ")
    assert "line 1" in refusal(path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path).startswith(f"{path} is not TOML: ")


def test_a_named_file_that_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    assert refusal(path) == f"{path} cannot be read: No such file or directory"
    assert refusal(environ={"CANDOR_CONFIG": str(path)}) == refusal(path)


def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} cannot be read: Is a directory"


@pytest.mark.parametrize("variable", ["CANDOR_NOPE", "CANDOR_LOG", "CANDOR_MODEL_TEMPERATUR"])
def test_an_unknown_variable_is_told(write: Write, variable: str) -> None:
    line = refusal(write(""), {variable: "1"})
    assert line == f"environment: {variable} is not a setting; see config.example.toml for all"


def test_a_variable_of_somebody_else_is_left_alone(write: Write) -> None:
    assert load(write(""), {"CANDORIO": "1", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("CANDOR_LOG_LEVEL", "loud", "log.level = 'loud' should be 'debug', 'info',"),
        ("CANDOR_MODEL_TEMPERATURE", "", "model.temperature = '' should be a valid number"),
        ("CANDOR_SERVE_PORT", "-1", "serve.port = '-1' should be greater than or equal to 0"),
    ],
)
def test_a_wrong_variable_is_one_line_with_its_name_value_and_what_is_allowed(
    write: Write, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert refusal(write(""), {variable: value}).startswith(f"environment {variable}: {line}")


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.state_dir = Path("elsewhere")
    with pytest.raises(ValueError, match="frozen"):
        settings.model.temperature = 1.0


# Secrets


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_is_read_and_not_shown(write: Write, table: str, key: str) -> None:
    settings = load(write(with_secret(table, key, f'"{valid(table, key)}"')), {})
    section = getattr(settings, table)
    assert getattr(section, key).get_secret_value() == valid(table, key)
    shown: list[Any] = [settings, settings.model_dump(), settings.model_dump_json()]
    shown += [section, section.model_dump(), section.model_dump_json()]
    for value in shown:
        assert SENTINEL not in repr(value)
        assert SENTINEL not in str(value)


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_is_read_from_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch, table: str, key: str
) -> None:
    text = with_secret(table, key, '"what the environment wins over"')
    monkeypatch.setenv(f"CANDOR_{table}_{key}".upper(), valid(table, key))
    section = getattr(load(write(text)), table)
    assert getattr(section, key).get_secret_value() == valid(table, key)


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_is_read_from_its_file_without_the_line_end(
    write: Write, tmp_path: Path, table: str, key: str
) -> None:
    held = tmp_path / "secret"
    held.write_text(f"{valid(table, key)}\n", "utf-8")
    settings = load(write(with_secret(table, key, f'"{held}"', end="_file")), {})
    section = getattr(settings, table)
    assert getattr(section, key).get_secret_value() == valid(table, key)
    assert SENTINEL not in repr(settings)


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_and_its_file_are_refused_together(
    write: Write, tmp_path: Path, table: str, key: str
) -> None:
    held = tmp_path / "secret"
    held.write_text(valid(table, key), "utf-8")
    text = with_secret(table, key, f'"{valid(table, key)}"')
    path = write(f'{text}\n{key}_file = "{held}"\n')
    assert refusal(path) == f"{path}: [{table}] give {key} or {key}_file, not both"


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_s_file_that_is_missing_is_told(write: Write, table: str, key: str) -> None:
    path = write(f'[{table}]\n{key}_file = "/nowhere/secret"\n')
    line = refusal(path)
    assert line == (
        f"{path}: [{table}] {key}_file /nowhere/secret cannot be read: No such file or directory"
    )


def wrong_files(table: str, key: str) -> Iterator[str]:
    """Files in which a secret stands, and which are wrong in every way that I know."""
    value = f'"{valid(table, key)}"'
    right = with_secret(table, key, value)
    yield with_secret(table, key, f"[{value}]")
    yield with_secret(table, key, f"{{ a = {value} }}")
    yield f"{table} = {value}"
    yield f"{table} = [{value}]"
    yield f"{key} = {value}"
    yield f"[{table}.{key}]\nvalue = {value}"
    yield f"[{table}]\n{key}s = {value}"
    yield f"{right}\nnope = 1"
    yield f"{right}\n{key}_file = '/dev/null'"
    yield f"{right}\n{key}_file = 3"
    yield f"{right}\n[log]\nlevel = 'loud'"
    yield f"{right}\n[[{table}]]\na = 1"
    yield f"{right}\n{key} = {value}"
    yield f"{right}\n{key} = "
    yield right[:-1]
    yield f"{right}{value}"
    if table in {"serve", "slack"}:
        yield f"{right}\nport = -1"
    if table == "redis":
        yield right.replace("redis://", "http://")
        yield right.replace("redis://", "")
        yield right.replace("@", "")
        yield right.replace("redis://:", "redis://[")
        yield right.replace(":6379", ":") + "\ntimeout_s = 0"
    if table == "slack":
        yield right.replace("xoxb-", "").replace("xapp-", "")
        yield f"{right}\nmode = 'smoke'"
        yield f"[slack]\nbot_token = 'xoxb-1'\nmode = 'socket'\nsigning_secret = {value}"
        yield f"[slack]\nbot_token = 'xoxb-1'\nmode = 'http'\napp_token = {value}"


@pytest.mark.parametrize(
    ("table", "key", "number"),
    [
        (table, key, number)
        for table, key in SECRETS
        for number, _ in enumerate(wrong_files(table, key))
    ],
)
def test_a_refusal_tells_no_secret(write: Write, table: str, key: str, number: int) -> None:
    path = write(list(wrong_files(table, key))[number])
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert SENTINEL not in everything_said(caught.value)


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_refused_variable_tells_no_secret(
    write: Write, monkeypatch: pytest.MonkeyPatch, table: str, key: str
) -> None:
    variable = f"CANDOR_{table}_{key}".upper()
    monkeypatch.setenv(variable, SENTINEL)
    monkeypatch.setenv("CANDOR_LOG_LEVEL", "loud")
    with pytest.raises(ConfigError) as caught:
        load(write(""))
    assert SENTINEL not in everything_said(caught.value)


@pytest.mark.parametrize(("table", "key"), SECRETS)
def test_a_secret_without_anything_in_it_is_refused(write: Write, table: str, key: str) -> None:
    path = write(with_secret(table, key, '"  "'))
    assert refusal(path).startswith(f"{path}: {table}.{key} = (secret) should ")


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SENTINEL}/x@127.0.0.1:6379/0",
        f"redis://:a/{SENTINEL}@127.0.0.1:6379/0",
        f"redis://:{SENTINEL}@127.0.0.1:port",
        f"redis://:{SENTINEL}@127.0.0.1:70000",
        f"redis://:{SENTINEL}@",
    ],
)
def test_a_redis_url_that_no_client_can_read_is_refused_at_once(write: Write, url: str) -> None:
    """A password with a slash in it, written as it is, is read as a host with a port."""
    path = write(f'[redis]\nurl = "{url}"\n')
    assert refusal(path).startswith(f"{path}: redis.url = (secret) ")


# The example


def test_the_example_on_disk_is_the_one_that_the_settings_give() -> None:
    root = Path(config.__file__).parents[1]
    assert (root / "config.example.toml").read_text("utf-8") == config.example()


def test_the_example_as_it_stands_sets_nothing(write: Write) -> None:
    assert load(write(config.example()), {}) == Settings()


def test_the_example_with_every_default_uncommented_gives_the_defaults(write: Write) -> None:
    defaults = {(table, key) for table, key, field in fields() if field.default is not None}
    table, lines, uncommented = "", [], set()
    for line in config.example().splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        key = line.removeprefix("# ").split(" = ")[0]
        if line.startswith("# ") and (table, key) in defaults:
            line = line.removeprefix("# ")
            uncommented.add((table, key))
        lines.append(line)
    assert uncommented == defaults
    assert load(write("\n".join(lines)), {}) == Settings()


def test_the_example_tells_each_setting_s_variable() -> None:
    for variable in config.variables():
        assert f"[{variable}]" in config.example().replace("\n# ", " ")


def test_an_unknown_variable_in_small_letters_is_refused() -> None:
    with pytest.raises(ConfigError, match="candor_discrod_token is not a setting"):
        load(environ={"candor_discrod_token": "x"})


def test_a_password_in_a_base_url_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[model]\nurl = "http://me:hidden-word@host/v1"\n')
    with pytest.raises(ConfigError, match="should hold no user or password") as refused:
        load(file, {})
    assert "hidden-word" not in str(refused.value)


def test_a_very_long_value_is_cut_in_its_line(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f'[model]\nsystem_prompt = "{"x" * 20_001}"\n')
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert len(str(refused.value)) < 300


# Lists


def test_a_list_is_read_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDOR_ACCESS_DENY_CHANNELS", '["C0123ABCD", "12345678"]')
    assert load().access.deny_channels == ("C0123ABCD", "12345678")


@pytest.mark.parametrize("value", ["C0123ABCD", '"C0123ABCD"', "{}", "", "[C0123ABCD]"])
def test_a_list_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CANDOR_ACCESS_BOTS", value)
    with pytest.raises(ConfigError, match=r"environment CANDOR_ACCESS_BOTS = .* JSON list"):
        load()


def test_a_name_in_place_of_an_id_is_refused(write: Write) -> None:
    line = refusal(write('[access]\nallow_channels = ["#general"]'))
    assert "access.allow_channels.0 = '#general' should be an id as the platform gives it" in line
