"""The canonical options of a stage change when an option does, and at nothing else."""

import json

from denseflow.config.model import ModelSource
from denseflow.config.section import Section, option
from denseflow.workflow.canonical import canonical


class Options(Section):
    a: float = option(1.0, "")
    b: float = option(2.0, "")


class WithNewOption(Options):
    c: int | None = option(None, "added later, off at first")
    d: int = option(3, "added later", neutral=3)


class WithOtherDefault(Options):
    b: float = option(2.5, "")


def test_swapped_values_are_noticed():
    assert canonical(Options(a=1.0, b=2.0)) != canonical(Options(a=2.0, b=1.0))


def test_reordered_keys_are_not_noticed():
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})


def test_keys_may_be_numbers_and_texts():
    assert canonical({"levels": {2: 1, "good": 1, 10: 0}}) == '{"levels":{"10":0,"2":1,"good":1}}'


def test_a_null_among_a_tokenizer_s_settings_is_told():
    settings = '{"mecab_kwargs":{"mecab_dic":null,"mecab_option":"-d words"}}'
    source = ModelSource.model_validate({"path": "bert", "tokenizer": json.loads(settings)})
    assert f'"tokenizer":{settings}' in canonical({"source": source})


def test_a_new_option_at_its_neutral_value_changes_nothing():
    assert canonical(Options()) == canonical(WithNewOption())


def test_a_new_option_at_another_value_is_noticed():
    assert canonical(Options()) != canonical(WithNewOption(d=4))
    assert canonical(Options()) != canonical(WithNewOption(c=0))


def test_a_changed_default_is_noticed():
    assert canonical(Options()) != canonical(WithOtherDefault())


def test_a_default_that_is_written_out_changes_nothing():
    assert canonical(Options()) == canonical(Options(a=1.0, b=2.0))
