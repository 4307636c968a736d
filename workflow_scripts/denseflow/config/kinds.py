"""What goes with an encoder, a sparse encoder or a cross-encoder alone: an option without a meaning is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denseflow.errors import DenseflowError

if TYPE_CHECKING:
    from denseflow.config.experiment import Experiment, System
    from denseflow.config.model import Model

PAIR_LOSSES = ("lce", "bce")
_OF_VECTORS = (
    *("pooling", "normalize", "similarity", "query_max_length", "passage_max_length"),
    *("add_bos", "add_eos", "padding_side", "pad_token"),
)
_OF_PAIRS = ("pair_max_length",)
_NOT_OF = {
    "encoder": _OF_PAIRS,
    "sparse_encoder": (*_OF_PAIRS, "pooling", "normalize", "similarity"),
    "cross_encoder": _OF_VECTORS,
}
"""A contract's keys without a meaning for a kind."""
_HINTS = {
    "encoder": "",
    "sparse_encoder": "it takes the greatest weight of each term, and compares by the inner product; ",
    "cross_encoder": "its keys are query_prefix, passage_prefix, pair_max_length and title_separator; ",
}
LOSSES = {
    "encoder": ("infonce", "triplet", "margin_mse", "kl", "simcse", "mixcse"),
    "sparse_encoder": ("infonce", "triplet", "margin_mse", "kl"),
    "cross_encoder": PAIR_LOSSES,
}
"""What a kind can learn by."""


def check_kind(model: "Model") -> None:
    """Refuse what means nothing for a model's kind.

    Raises:
        ValueError: Key, value and what to do.
    """
    for key in _NOT_OF[model.kind]:
        value = getattr(model.contract, key)
        if value is not None:
            raise ValueError(
                f"`contract.{key}` is {value!r}, which means nothing for {_a(model.kind)}; {_HINTS[model.kind]}leave "
                "it out"
            )
    if model.trained is not None:
        recipe = model.trained.recipe
        if recipe.loss.name not in LOSSES[model.kind]:
            raise ValueError(
                f"`trained.recipe.loss.name` is {recipe.loss.name!r}, which {_a(model.kind)} cannot learn; take one of "
                f"{', '.join(LOSSES[model.kind])}"
            )
        if recipe.flops is not None and model.kind != "sparse_encoder":
            raise ValueError(
                f"`trained.recipe.flops` is given, which means nothing for {_a(model.kind)}; leave it out, or set "
                "`kind: sparse_encoder`"
            )
    if model.kind == "cross_encoder":
        _check_cross_encoder(model)
    if model.kind == "sparse_encoder":
        _check_sparse_encoder(model)


def check_flash_attention(model: "Model") -> None:
    """Refuse flash attention in float32, in which it cannot compute.

    Raises:
        ValueError: Key, value and what to do.
    """
    if model.run.attention != "flash_attention_2":
        return
    precisions = {} if model.kind == "cross_encoder" else {"encode.precision": model.encode.precision}
    if model.trained is not None:
        precisions["trained.recipe.precision"] = model.trained.recipe.precision
    for key, precision in precisions.items():
        if precision == "fp32":
            raise ValueError(
                f"`run.attention` is flash_attention_2, which computes in bf16 or fp16, but `{key}` is fp32; set it to "
                "bf16, or leave `run.attention` out"
            )


def check_base(model: "Model", base: "Model", where: str) -> None:
    """Refuse a model that would start from one of another kind, or share what its base has twice.

    A cross-encoder may start from an encoder: it gets a new head.

    Raises:
        DenseflowError: With ``where``, which names file and key.
    """
    starts = ("encoder", "cross_encoder") if model.kind == "cross_encoder" else (model.kind,)
    if base.kind not in starts:
        raise DenseflowError(
            f"{where}: the base is {_a(base.kind)}, from which {_a(model.kind)} cannot start; name {_a(starts[0])}, or "
            f"set `kind: {base.kind}`"
        )
    if model.trained is not None and model.trained.recipe.encoders == "shared" and _is_separate(base):
        raise DenseflowError(
            f"{where}: the base has separate encoders for queries and passages, but `recipe.encoders` is 'shared'; set "
            "`encoders: separate` or `query_only`, or name a base with one encoder"
        )


def check_systems(experiment: "Experiment", models: Mapping[str, "Model"], file: Path) -> None:
    """Refuse systems whose models are of the other kind, and rerankings that cannot be done.

    Args:
        experiment: The experiment.
        models: Its models by name.
        file: The experiment's file, for errors.

    Raises:
        DenseflowError: File, key, value and what to do.
    """
    for name, system in experiment.systems.items():
        where = f"{file}: key 'systems.{name}"
        if system.model is not None:
            _check_searching(system, models[system.model].kind, where)
        _check_made_of(experiment, name, where)
        if system.rerank is None:
            continue
        if models[system.rerank.model].kind != "cross_encoder":
            raise DenseflowError(
                f"{where}.rerank.model': {system.rerank.model!r} is {_a(models[system.rerank.model].kind)}, expected "
                "a cross-encoder; say "
                "`kind: cross_encoder` in its file if it is one, or name another model"
            )
        if system.rerank.depth > experiment.depth:
            raise DenseflowError(
                f"{where}.rerank.depth': {system.rerank.depth}, but runs have {experiment.depth} documents a query; "
                "lower it, or raise the experiment's `depth`"
            )


def _check_searching(system: "System", kind: str, where: str) -> None:
    """Refuse a model that cannot search a collection, or not in that way."""
    if kind == "cross_encoder":
        raise DenseflowError(
            f"{where}.model': {system.model!r} is a cross-encoder, which cannot search a collection; name an "
            f"encoder, or rerank another system with it: `rerank: {{system: ..., model: {system.model}}}`"
        )
    for key in ("dimensions", "index"):
        if kind == "sparse_encoder" and getattr(system, key) is not None:
            raise DenseflowError(
                f"{where}.{key}': given, but {system.model!r} is a sparse encoder, whose terms are searched exactly in "
                "an inverted index of their own; leave it out"
            )


def _check_made_of(experiment: "Experiment", name: str, where: str, way: tuple[str, ...] = ()) -> None:
    """Refuse a reranking or fusion that would need itself, or a system that is not there."""
    system = experiment.systems[name]
    key = "fusion.systems" if system.rerank is None else "rerank.system"
    for other in system.made_of:
        if other not in experiment.systems:
            raise DenseflowError(
                f"{where}.{key}': {other!r} is none of the experiment's systems {sorted(experiment.systems)}; name "
                "one of them, or add it"
            )
        if other in (*way, name):
            raise DenseflowError(
                f"{where}.{key}': {' -> '.join([*way, name, other])}: a system cannot be made of itself; name one that "
                "searches"
            )
        _check_made_of(experiment, other, where, (*way, name))


def _check_cross_encoder(model: "Model") -> None:
    if model.pretrained is not None and model.pretrained.adapter is not None:
        raise ValueError("`pretrained.adapter` is given, which is not there for a cross-encoder; leave it out")
    if model.pretrained is not None and model.pretrained.passage is not None:
        raise ValueError("`pretrained.passage` is given, but a cross-encoder reads both texts itself; leave it out")
    if model.encode != type(model.encode)():
        raise ValueError("`encode` is given, but a cross-encoder has no vectors; leave it out")
    if model.trained is None:
        return
    recipe = model.trained.recipe
    without: dict[str, Any] = {
        "matryoshka": None,
        "encoders": "shared",
        "projection": None,
        "queries_per_passage": None,
        "evaluate": None,
        "keep_models": None,
    }
    for key, neutral in without.items():
        if getattr(recipe, key) != neutral:
            raise ValueError(f"`trained.recipe.{key}` is given, which is not there for a cross-encoder; leave it out")
    if recipe.negatives_per_query == 0:
        raise ValueError(
            "`trained.recipe.negatives_per_query` is 0, so that a cross-encoder would see no negatives; set it to 1 or "
            "more (4 to 7 are usual)"
        )


def _check_sparse_encoder(model: "Model") -> None:
    if model.encode.storage != "float32":
        raise ValueError(
            f"`encode.storage` is {model.encode.storage}, but a sparse encoder's weights are kept as float32, and its "
            "zeros not at all; leave it out"
        )
    if model.pretrained is not None:
        for key, source in (("", model.pretrained), (".passage", model.pretrained.passage)):
            if source is not None and source.adapter is not None:
                raise ValueError(
                    f"`pretrained{key}.adapter` is given, which is not there for a sparse encoder; merge it with peft, "
                    "save the model with its head, and name that folder with `path`"
                )
    if model.trained is None:
        return
    recipe = model.trained.recipe
    for key in ("matryoshka", "projection"):
        if getattr(recipe, key) is not None:
            raise ValueError(
                f"`trained.recipe.{key}` is given, but a sparse encoder's dimensions are the terms of its vocabulary; "
                "leave it out"
            )
    if recipe.flops is None:
        raise ValueError(
            "`trained.recipe.flops` is missing: without it nothing keeps a sparse encoder's vectors sparse; give it, "
            "such as {query_weight: 5.0e-4, passage_weight: 3.0e-4}, or weights of 0 to see what happens without"
        )


def _is_separate(model: "Model") -> bool:
    if model.pretrained is not None:
        return model.pretrained.passage is not None
    return model.trained is not None and model.trained.recipe.encoders != "shared"


def _a(kind: str) -> str:
    return {"encoder": "an encoder", "sparse_encoder": "a sparse encoder", "cross_encoder": "a cross-encoder"}[kind]
