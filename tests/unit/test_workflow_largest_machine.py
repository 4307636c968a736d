"""What a job on a cluster can have at most."""

import pytest

from denseflow.workflow.largest_machine import largest_machine


def test_each_limit_is_that_of_the_largest_machine():
    said = "16|64000|4:00:00\n64+|32000+|1-12:30:00"
    assert largest_machine(lambda: said) == {"_cores": 64, "mem_mb": 64000, "runtime": 36 * 60 + 30}


@pytest.mark.parametrize(("time", "minutes"), [("30:00", 30), ("0:45", 1), ("7-00:00:00", 7 * 1440)])
def test_times_are_read_as_slurm_prints_them(time, minutes):
    assert largest_machine(lambda: f"1|1|{time}")["runtime"] == minutes


def test_a_partition_without_a_time_limit_has_none():
    assert largest_machine(lambda: "2|11000|4:00:00\n2|11000|infinite") == {"_cores": 2, "mem_mb": 11000}


def test_without_slurm_nothing_is_limited(monkeypatch):
    assert largest_machine(lambda: "") == {}
    monkeypatch.setenv("PATH", "/nowhere")
    assert largest_machine() == {}
