"""Progress is told in a log that is no terminal: now and then, and at the end."""

import logging

import pytest

from denseflow.progress import progress


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


def test_in_a_terminal_a_bar_is_drawn_and_nothing_logged(log, capsys):
    with progress("passages encoded", 2, terminal=True) as advance:
        advance(2)
    assert "passages encoded" in capsys.readouterr().err
    assert log.messages == []
