"""What a loss asks of the model, checked before anything is computed."""

import logging
from typing import Any

from sentence_transformers import SentenceTransformer

from denseflow.contract import read_contract
from denseflow.errors import DenseflowError
from denseflow.train.dropout import has_dropout

LOG = logging.getLogger("denseflow")


def refuse_unfit_model(recipe: dict[str, Any], model: SentenceTransformer) -> None:
    """Check that the model can learn by the recipe's loss; warn where it would learn by a part of its vectors only.

    Raises:
        DenseflowError: A dropout pair would be twice the same vector, the loss compares otherwise than the encoder
            does, or there are fewer dimensions than matryoshka takes.
    """
    name = recipe["loss"]["name"]
    if name in ("simcse", "mixcse") and not has_dropout(model):
        raise DenseflowError(
            f"recipe.loss: {name} tells a text's two encodings apart by dropout, and the model has none, so that both "
            "are the same and there is nothing to learn. Set recipe.dropout to the 0.1 that the loss was made with"
        )
    contract = read_contract(model)
    if name == "mixcse" and contract.similarity == "dot" and not contract.normalize:
        raise DenseflowError(
            "recipe.loss: mixcse trains directions only, but the encoder's vectors are compared by their lengths too "
            "(contract.similarity is dot and contract.normalize false). Set contract.normalize to true, or "
            "contract.similarity to cosine"
        )
    dimensions = (recipe.get("matryoshka") or {}).get("dimensions")
    width = model.get_embedding_dimension()
    if not dimensions or width is None:
        return
    if max(dimensions) > width:
        raise DenseflowError(
            f"recipe.matryoshka.dimensions: {max(dimensions)}, but the model's vectors have {width}. Take {width} or "
            "less"
        )
    if max(dimensions) < width:
        LOG.warning(
            "training: recipe.matryoshka.dimensions ends at %d, so that the last %d of the vectors' %d dimensions are "
            "not trained; add %d to it, unless vectors will always be cut",
            max(dimensions),
            width - max(dimensions),
            width,
            width,
        )
