"""What docs/sources.md shows is accepted, and it names all types of sources."""

import re
from typing import get_args

import pytest
import yaml
from docs_page import PROJECT, read_page, shown_files

from denseflow.cli import parser
from denseflow.config.data_file import DataFile
from denseflow.config.dataset import Dataset, Source
from denseflow.config.load import check
from denseflow.config.negatives import Negatives

PAGE = read_page("sources")
FILES = shown_files(PAGE)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_is_accepted(name):
    section = {"datasets": Dataset, "negatives": Negatives}[name.split("/")[0]]
    check(section, yaml.safe_load(FILES[name]), name)
    assert not (PROJECT / "config" / name).exists()


def test_the_page_names_every_type_of_source_and_files_that_are_there():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE))
    del rows["type"]  # the table's head
    types = [source.model_fields["type"].annotation for source in get_args(get_args(Source)[0])]
    assert set(rows) == {get_args(type_)[0] for type_ in types}
    datasets = {name: yaml.safe_load(text) for name, text in FILES.items() if name.startswith("datasets/")}
    shown = {check(Dataset, values, name).source.type for name, values in datasets.items()}
    for type_, place in rows.items():
        if place == "below":
            assert type_ in shown
        else:
            dataset = check(Dataset, yaml.safe_load((PROJECT / place).read_text(encoding="utf-8")), place)
            assert dataset.source.type == type_


def test_a_file_is_written_as_the_page_says():
    (block,) = re.findall(r"```yaml\n(path: .*?)```", PAGE, re.DOTALL)
    assert DataFile.model_validate(yaml.safe_load(block)).name == "KorQuAD_v1.0_dev.json"


def test_the_commands_of_the_page_are_understood():
    lines = PAGE.replace("\\\n", " ").splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("denseflow ")]
    assert [parser().parse_args(command).command for command in commands] == ["dpr-training", "dpr-results"]
