"""The log of a stage."""

import logging

from denseflow.stage_log import stage_log


def test_a_log_begins_anew_and_keeps_what_another_process_writes_between(tmp_path):
    path = tmp_path / "stage.log"
    path.write_text("of the last time, which was longer\n")
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        with stage_log(str(path)):
            logging.info("one")
            with path.open("a") as other:
                other.write("two\n")
            logging.info("three")
    finally:
        root.handlers[:], root.level = before
    assert [line.split()[-1] for line in path.read_text().splitlines()] == ["one", "two", "three"]
