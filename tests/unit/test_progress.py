"""Progress: a bar with rate and time left in a terminal, lines now and then in a log."""

import contextlib
import fcntl
import logging
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from denseflow import progress as module
from denseflow.progress import counted, duration, progress
from denseflow.progress_bar import RateColumn

PACKAGE = Path(module.__file__).parents[1]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, with the lines that tell progress."""
    caplog.set_level(logging.INFO, logger="denseflow")
    return caplog


def test_a_line_is_logged_at_most_every_so_many_seconds_and_at_the_end(log):
    times = iter([0.0, 10.0, 40.0, 45.0, 50.0])
    with progress("passages encoded", 100, terminal=False, clock=lambda: next(times)) as advance:
        for count in (10, 30, 10, 50):
            advance(count)
    assert log.messages == [
        "passages encoded: 40 of 100 (40%), 1.0 a second, 60 s left",
        "passages encoded: 100 of 100 (100%), 2.0 a second, 0 s left",
    ]


def test_work_that_was_done_before_does_not_count_for_the_speed(log):
    times = iter([0.0, 10.0])
    with progress("passages encoded", 100, done=80, terminal=False, clock=lambda: next(times)) as advance:
        advance(20)
    assert log.messages == ["passages encoded: 100 of 100 (100%), 2.0 a second, 0 s left"]


def test_where_the_total_is_not_known_the_time_so_far_is_told(log):
    times = iter([0.0, 20.0, 60.0, 200.0])
    with progress("documents", None, terminal=False, clock=lambda: next(times)) as advance:
        advance(10)
        advance(1490)
    assert log.messages == [
        "documents: 1,500, 25.0 a second, 60 s so far",
    ]


def test_what_is_left_when_the_block_ends_early_is_told(log):
    times = iter([0.0, 5.0, 10.0])
    with progress("steps", 100, terminal=False, clock=lambda: next(times)) as advance:
        advance(2)
    assert log.messages == ["steps: 2 of 100 (2%), 5.0 s each, 8 min left"]


def test_a_block_that_fails_tells_nothing_more(log):
    with contextlib.suppress(ZeroDivisionError), progress("steps", 100, terminal=False) as advance:
        advance(2)
        advance(2 // 0)
    assert log.messages == []


def test_items_are_passed_on_and_counted(log):
    assert list(counted("abc", "letters", 3)) == ["a", "b", "c"]
    assert log.messages[-1].startswith("letters: 3 of 3 (100%)")
    assert list(counted([], "letters", 0)) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(119, "119 s"), (121, "2 min"), (7300, "2.0 h"), (50 * 3600, "2.1 days")]
)
def test_times_are_told_as_one_reads_them(seconds, text):
    assert duration(seconds) == text


def test_a_bar_shows_rate_and_time_left():
    task = SimpleNamespace(finished_speed=None, speed=1234.5)
    assert RateColumn().render(task).plain == "1,234.5/s"
    task.speed = 0.25
    assert RateColumn().render(task).plain == "4.0 s each"
    task.speed = None
    assert RateColumn().render(task).plain == ""


def in_a_terminal(code: str, hold: bool = False) -> str:
    """What a process prints whose error stream is a terminal, in which another job draws if ``hold``."""
    ours, its = pty.openpty()
    other = os.open(os.ttyname(its), os.O_RDONLY | os.O_NOCTTY)
    if hold:
        fcntl.flock(other, fcntl.LOCK_EX)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=its, stdout=its, env=environment)
    os.close(its)
    printed = b""
    while process.poll() is None or select.select([ours], [], [], 0.1)[0]:
        if select.select([ours], [], [], 0.1)[0]:
            printed += os.read(ours, 65536)
    assert process.wait() == 0, printed
    os.close(ours)
    os.close(other)
    return printed.decode()


JOB = """
import logging, time
from denseflow.progress import progress
from denseflow.stage_log import stage_log
with stage_log("LOG"):
    with progress("passages encoded", 4) as advance:
        for step in range(4):
            time.sleep(0.15)
            advance(1)
            logging.warning("step %d", step)
"""


def test_a_terminal_shows_the_bar_and_the_stage_s_file_gets_the_lines(tmp_path):
    printed = in_a_terminal(JOB.replace("LOG", str(tmp_path / "log")))
    assert re.search(r"passages encoded.*4/4.*\d/s.*0:00:00", printed)
    assert "a second" not in printed
    assert printed.count("WARNING step 2") == 1
    assert "passages encoded: 4 of 4 (100%)" in (tmp_path / "log").read_text()


def test_where_another_job_draws_in_the_terminal_lines_are_written(tmp_path):
    printed = in_a_terminal(JOB.replace("LOG", str(tmp_path / "log")), hold=True)
    assert "passages encoded: 4 of 4 (100%)" in printed
    assert "4/4" not in printed
