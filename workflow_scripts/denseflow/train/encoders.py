"""One encoder for queries and passages or two, and a projection of their vectors."""

import copy
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Router
from sentence_transformers.sentence_transformer.modules import Normalize

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
    """Put the modules, and a copy of each, into the two routes of a Router."""
    queries: Any = list(model)
    passages = copy.deepcopy(queries)
    for place in reversed(range(len(model))):
        del model[place]
    model.append(Router.for_query_document(queries, passages))
