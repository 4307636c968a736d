"""The mistakes that users make first: each is refused before anything runs, in words that help."""

import json
from pathlib import Path

import pytest
import yaml
from project_copy import lay_out_own_configuration

from denseflow.config.reference import reference, schemas
from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small, right configuration: a BEIR folder, a pretrained model, a trained one, an experiment."""
    (tmp_path / "beir").mkdir()
    (tmp_path / "model").mkdir()
    write(
        tmp_path,
        "datasets/d",
        {"source": {"type": "beir", "path": str(tmp_path / "beir"), "splits": ["train", "test"]}},
    )
    write(tmp_path, "negatives/n", {"sources": [{"type": "random", "count": 2}]})
    write(tmp_path, "models/base", {"pretrained": {"path": str(tmp_path / "model")}})
    data = {"dataset": "d", "negatives": "n"}
    write(tmp_path, "models/tuned", {"trained": {"base": "base", "data": data, "recipe": {"learning_rate": 1.0e-5}}})
    write(
        tmp_path,
        "experiments/e",
        {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"model": "base"}, "after": {"model": "tuned"}}},
    )
    return tmp_path


def write(folder: Path, name: str, value: dict) -> None:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(value), encoding="utf-8")


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def message(folder: Path, **config: object) -> str:
    with pytest.raises(DenseflowError) as error:
        Registry({"experiments": ["e"], **config}, folder)
    return str(error.value)


def test_a_right_configuration_is_read_as_far_as_the_experiments_reach(folder):
    write(folder, "models/unused", {"nonsense": 1})
    registry = Registry({"experiments": ["e"]}, folder)
    assert set(registry.models) == {"base", "tuned"}
    assert registry.trained("tuned")
    assert not registry.trained("base")


def test_one_experiment_may_be_given_as_a_text_on_the_command_line(folder):
    assert list(Registry({"experiments": "e"}, folder).experiments) == ["e"]


def test_a_misspelt_key_is_refused_with_the_key_that_was_meant(folder):
    change(folder, "models/tuned", "learning_rate", "learning_rte")
    assert "models/tuned.yaml: key 'trained.recipe.learning_rte': unknown; did you mean 'learning_rate'?" in message(
        folder
    )


def test_a_misspelt_key_in_an_element_of_a_list_is_named_with_its_place(folder):
    change(folder, "negatives/n", "count", "cuont")
    text = message(folder)
    assert "key 'sources[0].cuont': unknown; did you mean 'count'?" in text
    assert "key 'sources[0].count': missing" in text


def test_a_number_that_yaml_reads_as_text_is_refused_with_how_to_write_it(folder):
    change(folder, "models/tuned", "1.0e-05", "1e-5")
    assert "key 'trained.recipe.learning_rate': found '1e-5'" in message(folder)
    assert "write 1.0e-5" in message(folder)


def test_a_missing_data_set_is_refused_with_those_that_exist(folder):
    change(folder, "experiments/e", "dataset: d", "dataset: dd")
    text = message(folder)
    assert "key 'evaluate_on[0]': 'dd', but there is no file" in text
    assert "did you mean 'd'?" in text


def test_a_path_that_is_not_there_is_refused_with_where_it_was_looked_for(folder):
    (folder / "beir").rmdir()
    text = message(folder)
    assert "datasets/d.yaml: key 'source.path'" in text
    assert f"looked for {folder / 'beir'}" in text


def test_a_cycle_of_models_is_refused_with_its_members(folder):
    change(folder, "models/tuned", "base: base", "base: second")
    write(folder, "models/second", {"trained": {"base": "tuned", "data": {"dataset": "d", "negatives": "n"}}})
    assert "the models form a cycle: tuned -> second -> tuned" in message(folder)


def test_a_split_that_does_not_exist_is_refused_with_those_that_do(folder):
    change(folder, "experiments/e", "dataset: d", "dataset: d\n  split: dev")
    text = message(folder)
    assert "split 'dev' does not exist in" in text
    assert "which has train, test" in text


def test_batch_size_0_is_refused(folder):
    change(folder, "models/tuned", "learning_rate", "batch_size: 0\n    learning_rate")
    assert "key 'trained.recipe.batch_size': found 0, expected: input should be greater than or equal to 1" in message(
        folder
    )


def test_an_unknown_experiment_is_refused_with_a_close_name(folder):
    assert "there is no file" in message(folder, experiments=["f"])


def test_a_language_without_an_analyser_is_refused_where_bm25_is_asked_for(folder):
    change(folder, "datasets/d", "source:", "language: tlh\nsource:")
    Registry({"experiments": ["e"]}, folder)
    change(folder, "experiments/e", "systems:", "systems:\n  bm25:\n    bm25: {}")
    text = message(folder)
    assert "datasets/d.yaml: key 'language'" in text
    assert "found 'tlh', expected one of ar, bn" in text


def test_an_unknown_measure_is_refused_with_a_close_name(folder):
    change(folder, "experiments/e", "systems:", "measures: ['nDGC@10']\nsystems:")
    text = message(folder)
    assert "key 'measures'" in text
    assert "nDCG@10" in text


def test_before_must_be_one_of_the_systems(folder):
    change(folder, "experiments/e", "systems:", "before: start\nsystems:")
    assert "`before` is 'start', which is none of the systems ['after', 'before']" in message(folder)


def test_a_model_is_pretrained_or_trained_and_not_both(folder):
    write(
        folder,
        "models/base",
        {"pretrained": {"path": str(folder / "model")}, "trained": {"base": "x", "data": {"file": "y"}}},
    )
    assert "give either `pretrained` or `trained`" in message(folder)


def test_a_key_given_twice_is_refused_with_its_line(folder):
    change(folder, "models/tuned", "learning_rate", "batch_size: 2\n    batch_size: 4\n    learning_rate")
    assert "key 'batch_size' is given twice" in message(folder)


def test_broken_yaml_is_refused_with_its_line(folder):
    (folder / "models/base.yaml").write_text("pretrained:\n  path: [a\n", encoding="utf-8")
    assert "base.yaml, line 3: not YAML" in message(folder)


def test_text_where_a_whole_number_is_due_is_refused(folder):
    change(folder, "negatives/n", "count: 2", "count: '2'")
    assert "key 'sources[0].count': found '2', expected: input should be a valid integer" in message(folder)


def test_an_unknown_type_of_source_is_refused_with_the_known_ones(folder):
    change(folder, "datasets/d", "type: beir", "type: bier")
    text = message(folder)
    assert "key 'source'" in text
    assert "'ir_datasets', 'beir', 'package_docs'" in text


def test_a_split_with_a_point_in_its_name_is_refused(folder):
    change(folder, "datasets/d", "- train", "- train.1")
    assert "key 'source.splits[0]': found 'train.1'" in message(folder)


def test_a_name_that_would_leave_the_results_folder_is_refused(folder):
    assert "experiments[0]" in message(folder, experiments=["../e"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "project"
    lay_out_own_configuration(folder)
    return folder


@pytest.mark.parametrize("name", [path.stem for path in sorted((CONFIG / "experiments").glob("*.yaml"))])
def test_each_experiment_of_the_project_is_valid(name, project, monkeypatch):
    monkeypatch.chdir(project)
    Registry({"experiments": [name]})


def test_the_configuration_reference_is_what_the_schema_says():
    assert (CONFIG / "README.md").read_text(encoding="utf-8") == reference(), "run `make docs`"


def test_the_json_schemas_are_what_the_sections_say():
    for name, schema in schemas().items():
        found = json.loads((CONFIG / "schema" / name).read_text(encoding="utf-8"))
        assert found == schema, "run `make docs`"
