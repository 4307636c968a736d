"""One encoder for queries and passages or two, and a projection of their vectors."""

import copy
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router
from sentence_transformers.sentence_transformer.modules import Normalize

from denseflow.contract import read_contract, set_title_separator, title_separator
from denseflow.encoder import dimensions
from denseflow.errors import DenseflowError
from denseflow.sides import containers, is_separate, modules_of


def shape_encoders(model: SentenceTransformer, recipe: dict[str, Any], seed: int) -> SentenceTransformer:
    """Make of a loaded encoder, in place, what the recipe's ``projection`` and ``encoders`` ask for.

    Separate encoders start equal and learn apart, as in DPR (Karpukhin et al. 2020, https://arxiv.org/abs/2004.04906);
    with ``query_only`` the passages' encoder stays bit for bit as it is, so that an index of its vectors stays valid,
    as in RAG (Lewis et al. 2020, https://arxiv.org/abs/2005.11401).

    Args:
        model: The encoder to start from.
        recipe: ``encoders`` (shared, separate or query_only; shared where it is missing) and ``projection`` (a number
            of dimensions; none where it is missing).
        seed: Of the projection's first weights.

    Raises:
        DenseflowError: The encoder is separate already and ``shared`` is asked of it, or ``query_only`` with a
            projection, which the frozen side could not learn.
    """
    encoders, size = recipe.get("encoders", "shared"), recipe.get("projection")
    if encoders == "shared" and is_separate(model):
        raise DenseflowError(
            "recipe.encoders: 'shared', but the base model has separate encoders for queries and passages; set "
            "`encoders: separate`, or `query_only`, or start from a model with one encoder"
        )
    if encoders == "query_only" and size is not None:
        raise DenseflowError(
            f"recipe.projection: {size}, but with `encoders: query_only` the passages' side does not learn, and its "
            "projection would stay random; leave `projection` out, or set `encoders: separate`"
        )
    if size is not None:
        _project(model, size, seed)
    if encoders != "shared" and not is_separate(model):
        _separate(model)
    if encoders == "query_only":
        for module in modules_of(model, "passage"):
            module.requires_grad_(False)
    return model


def join_encoders(queries: SentenceTransformer, passages: SentenceTransformer, *, similarity: str | None) -> None:
    """Make of two encoders one with separate sides, in place of the first.

    Args:
        queries: The encoder of queries, whose similarity is kept.
        passages: The encoder of passages, whose prefix and title separator are kept.
        similarity: The one that the model's file sets, or None.

    Raises:
        DenseflowError: One of them is separate already, or they differ in the number of dimensions or, where the
            model's file sets none, in their similarity.
    """
    if is_separate(queries) or is_separate(passages):
        which = "pretrained.passage" if is_separate(passages) else "pretrained"
        raise DenseflowError(
            f"{which}: the model has separate encoders for queries and passages already; name it as `pretrained` "
            "without `passage`, or name two models with one encoder each"
        )
    sizes = dimensions(queries), dimensions(passages)
    if sizes[0] != sizes[1]:
        raise DenseflowError(
            f"pretrained.passage: its vectors have {sizes[1]} dimensions, those of the queries' encoder {sizes[0]}, "
            "and both are compared; name two encoders of as many dimensions"
        )
    similarities = queries.similarity_fn_name, passages.similarity_fn_name
    if similarity is None and similarities[0] != similarities[1]:
        raise DenseflowError(
            f"pretrained.passage: its similarity is {similarities[1]}, that of the queries' encoder {similarities[0]}; "
            "set contract.similarity in the model's file"
        )
    queries.prompts["document"] = read_contract(passages).passage_prefix
    set_title_separator(queries, title_separator(passages))
    _route(queries, list(queries), list(passages))


def _project(model: SentenceTransformer, size: int, seed: int) -> None:
    """Put a linear layer before the normalisation, a random rotation at first: it keeps the vectors' angles, nearly.

    With separate encoders each gets its own, equal at first.
    """
    width = dimensions(model)
    dense = Dense(width, size, activation_function=torch.nn.Identity())
    generator = torch.Generator().manual_seed(seed)
    torch.nn.init.orthogonal_(dense.linear.weight, generator=generator)
    torch.nn.init.zeros_(dense.linear.bias)
    dense.to(model.device)
    for container in containers(model)[1:] or [model]:
        places = [place for place, module in enumerate(container) if isinstance(module, Normalize)]
        container.insert(places[0] if places else len(container), copy.deepcopy(dense))


def _separate(model: SentenceTransformer) -> None:
    modules = list(model)
    _route(model, modules, copy.deepcopy(modules))


def _route(model: SentenceTransformer, queries: list[torch.nn.Module], passages: list[torch.nn.Module]) -> None:
    """Put a Router with these two routes in the place of a model's modules."""
    routes: Any = (queries, passages)
    for place in reversed(range(len(model))):
        del model[place]
    model.append(Router.for_query_document(*routes))
