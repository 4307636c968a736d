"""The log of a stage."""

import json
import logging
import os
import platform

from denseflow import machine
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
    told = json.loads((tmp_path / "stage.machine.json").read_text())
    assert told["hardware threads"] == str(os.cpu_count())
    assert told["Python"] == platform.python_version()
    assert told["processor"]


def test_gpus_are_named_by_the_driver_without_a_command(tmp_path, monkeypatch):
    for number, name in enumerate(("NVIDIA A100-SXM4-40GB", "NVIDIA L4")):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
        (tmp_path / f"0000:0{number}:00.0" / "information").write_text(f"Model: \t\t {name}\nIRQ:   53\n")
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path)
    assert machine.machine()["GPUs"] == "NVIDIA A100-SXM4-40GB; NVIDIA L4"
    monkeypatch.setattr(machine, "_NVIDIA", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", "")
    assert machine.machine()["GPUs"] == "none"
