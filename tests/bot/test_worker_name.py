"""The name of this process in the inbox."""

from pathlib import Path

import pytest

from bot.errors import ConfigError
from bot.worker_name import worker_name


def test_the_name_is_the_same_for_each_process_of_one_directory(tmp_path: Path) -> None:
    name = worker_name(tmp_path)
    assert worker_name(tmp_path) == name
    assert [each.name for each in tmp_path.iterdir()] == ["worker"], "no draft is left"


def test_another_directory_has_another_name(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert worker_name(one) != worker_name(two)


@pytest.mark.parametrize("broken", ["", " \n"])
def test_a_crash_that_left_an_empty_file_costs_nothing_but_the_old_name(
    tmp_path: Path, broken: str
) -> None:
    (tmp_path / "worker").write_text(broken)
    (tmp_path / "worker.new").write_text("half")
    name = worker_name(tmp_path)
    assert len(name) == 32
    assert worker_name(tmp_path) == name


def test_a_name_that_was_chosen_is_kept(tmp_path: Path) -> None:
    (tmp_path / "worker").write_text("worker-1\n")
    assert worker_name(tmp_path) == "worker-1"


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_what_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "worker"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be used"):
        worker_name(tmp_path)


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        worker_name(tmp_path / "nowhere")
