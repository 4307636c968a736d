"""What means nothing for a sparse encoder is refused by its key, and what it needs is asked for."""

import pytest
from pydantic import ValidationError

from denseflow.config.experiment import Experiment
from denseflow.config.kinds import check_base, check_systems
from denseflow.config.model import Model
from denseflow.errors import DenseflowError

PRETRAINED = {"kind": "sparse_encoder", "pretrained": {"path": "models/splade-tiny"}}
RECIPE = {"loss": {"name": "infonce", "temperature": 1.0}, "flops": {}}
TRAINED = {
    "kind": "sparse_encoder",
    "trained": {"base": "splade", "data": {"dataset": "docs", "negatives": "bm25"}, "recipe": RECIPE},
}


def trained(**recipe):
    return {**TRAINED, "trained": {**TRAINED["trained"], "recipe": {**RECIPE, **recipe}}}


def with_source(**source):
    return {**PRETRAINED, "pretrained": {**PRETRAINED["pretrained"], **source}}


def test_a_sparse_encoder_is_accepted():
    Model.model_validate(PRETRAINED)
    Model.model_validate(TRAINED)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({**PRETRAINED, "contract": {"pooling": "mean"}}, "contract.pooling"),
        ({**PRETRAINED, "contract": {"normalize": True}}, "contract.normalize"),
        ({**PRETRAINED, "contract": {"similarity": "cosine"}}, "contract.similarity"),
        ({**PRETRAINED, "contract": {"pair_max_length": 64}}, "contract.pair_max_length"),
        ({**PRETRAINED, "encode": {"storage": "float16"}}, "encode.storage"),
        (with_source(adapter={"path": "lora"}), "pretrained.adapter"),
        (with_source(passage={"path": "b", "adapter": {"path": "lora"}}), "pretrained.passage.adapter"),
        (trained(matryoshka={"dimensions": [8]}), "trained.recipe.matryoshka"),
        (trained(projection=8), "trained.recipe.projection"),
        (trained(loss={"name": "mixcse"}), "trained.recipe.loss.name"),
        (trained(loss={"name": "simcse"}), "trained.recipe.loss.name"),
        (trained(loss={"name": "lce"}), "trained.recipe.loss.name"),
        (trained(flops=None), "trained.recipe.flops"),
        ({**trained(), "kind": "encoder"}, "trained.recipe.flops"),
    ],
)
def test_what_means_nothing_for_it_is_refused_by_its_key(model, key):
    with pytest.raises(ValidationError, match=rf"`{key}` is .*(leave it out|take one of|give it|merge it)"):
        Model.model_validate(model)


@pytest.mark.parametrize(("kind", "base"), [("encoder", "sparse_encoder"), ("sparse_encoder", "encoder")])
def test_it_starts_from_its_own_kind(tmp_path, kind, base):
    models = {
        "encoder": Model.model_validate({"pretrained": {"path": "x"}}),
        "sparse_encoder": Model.model_validate(PRETRAINED),
    }
    with pytest.raises(DenseflowError, match=f"set `kind: {base}`"):
        check_base(models[kind], models[base], "models/new.yaml: key 'trained.base'")
    check_base(models[kind], models[kind], "models/new.yaml: key 'trained.base'")


@pytest.mark.parametrize("option", [{"dimensions": 8}, {"index": {"type": "hnsw"}}])
def test_its_search_takes_no_cut_and_no_index_of_vectors(tmp_path, option):
    experiment = Experiment.model_validate(
        {
            "evaluate_on": [{"dataset": "docs"}],
            "systems": {"splade": {"model": "splade", **option}},
            "before": "splade",
        }
    )
    with pytest.raises(DenseflowError, match=rf"systems\.splade\.{next(iter(option))}': given, but"):
        check_systems(experiment, {"splade": Model.model_validate(PRETRAINED)}, tmp_path / "experiment.yaml")
