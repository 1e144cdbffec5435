"""Where a socket is: in its directory, or in a short path that stands for a long one."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import FatalError
from bot.socket_path import LONGEST, socket_path


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a long path; short ones are made in a short one that goes with the test."""
    path = tmp_path / ("deep" * 20) / ("down" * 20)
    path.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="c", dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield path


def test_a_socket_is_in_its_directory(tmp_path: Path) -> None:
    assert socket_path(tmp_path, "model.sock") == tmp_path.resolve() / "model.sock"


def test_a_relative_directory_gives_a_path_that_holds_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_path(Path(), "a.sock") == tmp_path.resolve() / "a.sock"


def test_a_long_directory_has_a_short_path_that_a_socket_can_have(long: Path) -> None:
    path = socket_path(long, "model.sock")
    assert len(os.fsencode(path)) <= LONGEST
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_directory_has_the_same_path_and_another_another(long: Path) -> None:
    other = long.parent / ("else" * 20)
    other.mkdir()
    assert socket_path(long, "a.sock") == socket_path(long, "a.sock")
    assert socket_path(long, "a.sock").parent == socket_path(long, "b.sock").parent
    assert socket_path(long, "a.sock") != socket_path(other, "a.sock")


def test_a_link_to_a_directory_has_the_directory_s_path(long: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(long)
    assert socket_path(link, "a.sock") == socket_path(long, "a.sock")


def test_a_short_path_that_is_a_link_of_somebody_is_not_used(long: Path, tmp_path: Path) -> None:
    short = socket_path(long, "a.sock").parent
    short.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    short.symlink_to(elsewhere)
    with pytest.raises(FatalError, match=r"belongs to somebody else; choose a shorter state_dir$"):
        socket_path(long, "a.sock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_short_path_that_somebody_else_made_is_not_used(long: Path) -> None:
    short = socket_path(long, "a.sock").parent
    os.chown(short, 65534, 65534)
    with pytest.raises(FatalError, match=r"belongs to somebody else; choose a shorter state_dir$"):
        socket_path(long, "a.sock")


def test_a_file_in_place_of_the_short_path_is_told(long: Path) -> None:
    short = socket_path(long, "a.sock").parent
    short.rmdir()
    short.write_text("in the way", "utf-8")
    with pytest.raises(FatalError, match=r"belongs to somebody else; choose a shorter state_dir$"):
        socket_path(long, "a.sock")


def test_a_link_to_nowhere_in_place_of_the_short_path_is_told(long: Path) -> None:
    short = socket_path(long, "a.sock").parent
    short.rmdir()
    short.symlink_to("/nowhere")
    with pytest.raises(FatalError, match=r"belongs to somebody else; choose a shorter state_dir$"):
        socket_path(long, "a.sock")
