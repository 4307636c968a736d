"""What docs/looking.md shows is what the command takes and says."""

import re
import shlex
from pathlib import Path

import pytest

from denseflow.cli import parser
from denseflow.compare.numbers import BETTER, IDENTICAL, NOISE, WORSE
from denseflow.config.registry import Registry
from denseflow.look.place import MOST_SYSTEMS, Place
from denseflow.look.server import LOOPBACK
from denseflow.look.view import DOWN, LOST, NEW, SAME, UP, Move
from denseflow.workflow.graph import Graph

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "looking.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^denseflow (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_are_understood_and_name_what_the_project_has(command):
    options = parser().parse_args(shlex.split(command))
    if options.command == "compare":
        return
    graph = Graph(Registry({"experiments": [options.experiment]}, PROJECT / "config"), PROJECT)
    place = Place(graph, options.experiment, dataset=options.dataset, split=options.split, systems=options.systems)
    assert place.systems == list(options.systems or ["before", "after"])


def test_the_page_shows_each_command_and_options_that_there_are():
    assert {command.split()[0] for command in COMMANDS} == {"search", "serve", "compare"}
    known = {
        option
        for action in parser()._subparsers._group_actions[0].choices.values()
        for option in action._option_string_actions
    }
    assert set(re.findall(r"`(--[a-z-]+)`", PAGE)) <= known
    assert f"http://{LOOPBACK}:8000/" in PAGE
    assert MOST_SYSTEMS == 4
    assert "Up to four" in PAGE


def test_marks_and_verdicts_of_the_page_are_those_that_are_shown():
    cells = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| `.*$", PAGE, re.MULTILINE))))
    assert {IDENTICAL, NOISE, BETTER, WORSE} <= cells
    for kind in (NEW, LOST, UP, DOWN, SAME):
        assert any(Move(kind, 2).text(1).startswith(mark) for mark in cells), kind
