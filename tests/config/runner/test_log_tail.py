"""The programs' output is shown line by line, whatever happens to the files."""

import io
import os
from pathlib import Path

from config.runner.log_tail import Follower, Terminal, tail


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_lines_of_earlier_runs_are_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    write(log, "old\n")
    follower = Follower(log)
    write(log, "new\n")

    assert follower.lines() == ["new"]


def test_a_log_that_comes_later_is_shown_from_its_start(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "web.log")
    assert follower.lines() == []
    write(tmp_path / "web.log", "first\nsecond\n")

    assert follower.lines() == ["first", "second"]


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    follower = Follower(log)
    write(log, "whole\nha")
    assert follower.lines() == ["whole"]
    write(log, "lf\n")
    assert follower.lines() == ["half"]


def test_the_last_words_need_no_line_end(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    follower = Follower(log)
    write(log, "whole\nlast words")

    assert follower.end() == ["whole", "last words"]


def test_rotation_loses_and_repeats_nothing(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    follower = Follower(log)
    write(log, "one\ntw")
    assert follower.lines() == ["one"]
    write(log, "o\nthree\n")
    log.rename(tmp_path / "web.log.1")
    assert follower.lines() == ["two", "three"]  # the new file doesn't exist yet
    write(log, "four\n")
    assert follower.lines() == ["four"]
    os.truncate(log, 0)
    write(log, "5\n")
    assert follower.lines() == ["5"]


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"")
    follower = Follower(log)
    log.write_bytes(b"caf\xc3\xa9 \xff\r\n")

    assert follower.lines() == ["café \ufffd"]


def test_every_line_says_whose_it_is(tmp_path: Path) -> None:
    out = io.StringIO()
    terminal = Terminal([("web", tmp_path / "web.log"), ("relay-users", tmp_path / "relay-users.log")], out)
    write(tmp_path / "web.log", "here\n")
    write(tmp_path / "relay-users.log", "there\n[not markup]")
    terminal.show()
    terminal.finish()

    assert out.getvalue().splitlines() == ["web         | here", "relay-users | there", "relay-users | [not markup]"]


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert tail(log) == []
    write(log, "".join(f"line {number}\n" for number in range(10_000)))

    assert tail(log, 2) == ["line 9998", "line 9999"]
