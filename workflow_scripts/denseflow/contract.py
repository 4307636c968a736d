"""The encoder's contract: how a text becomes a vector, read from and written to a loaded encoder.

The contract lives where sentence-transformers itself reads it: pooling and normalisation in their modules, prefixes in
the prompts ``query`` and ``document``, maximum lengths in the Transformer's ``query_length`` and ``document_length``,
the similarity in ``similarity_fn_name``. So ``SentenceTransformer(folder).encode_query`` and ``.encode_document`` give
exactly the vectors of the encode stage. Only the title separator is ours, an attribute of the loaded encoder.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from denseflow.collection import Document
from denseflow.errors import DenseflowError

TITLE_SEPARATOR = " "
SIMILARITIES = ("dot", "cosine")


@dataclass(frozen=True)
class Contract:
    """How a text becomes a vector.

    Attributes:
        pooling: sentence-transformers' name, such as ``cls`` or ``mean``; None where the model has no pooling.
        normalize: Whether the vectors are brought to length 1.
        query_prefix: Put before each query.
        passage_prefix: Put before each passage, title included.
        query_max_length: In tokens, special tokens and prefix included; what is longer is cut.
        passage_max_length: The same for passages.
        title_separator: Between the title and the text of a passage that has both.
        similarity: ``dot``, or ``cosine``, for which the search normalises.
    """

    pooling: str | None
    normalize: bool
    query_prefix: str
    passage_prefix: str
    query_max_length: int
    passage_max_length: int
    title_separator: str
    similarity: str

    def as_dict(self) -> dict[str, Any]:
        """The contract as plain values, for a manifest."""
        return asdict(self)


def passage_text(document: Document, contract: Contract) -> str:
    """The text of a document as the encoder reads it: title, separator, text; either may be empty."""
    if document.title and document.text:
        return document.title + contract.title_separator + document.text
    return document.title or document.text


def read_contract(model: SentenceTransformer) -> Contract:
    """The contract that a loaded encoder keeps.

    Raises:
        DenseflowError: No maximum length is known, or the similarity is one that the search does not have.
    """
    similarity = str(model.similarity_fn_name)
    if similarity not in SIMILARITIES:
        raise DenseflowError(
            f"the model's similarity is {similarity!r}, expected dot or cosine; set contract.similarity in the model's "
            "file"
        )
    pooling = find_module(model, Pooling)
    mode = None if pooling is None else pooling.pooling_mode
    transformer = find_module(model, Transformer)
    return Contract(
        pooling=mode if mode is None or isinstance(mode, str) else "+".join(mode),
        normalize=find_module(model, Normalize) is not None,
        query_prefix=model.prompts.get("query") or "",
        passage_prefix=_passage_prefix(model),
        query_max_length=getattr(transformer, "query_length", None) or _longest(model),
        passage_max_length=getattr(transformer, "document_length", None) or _longest(model),
        title_separator=title_separator(model),
        similarity=similarity,
    )


def apply_contract(model: SentenceTransformer, options: Mapping[str, Any]) -> Contract:
    """Change the contract of a loaded encoder in place, and return it whole.

    Args:
        model: The encoder.
        options: Fields of :class:`Contract`; None or a missing one keeps what the encoder says.

    Raises:
        DenseflowError: An option is unknown or has no such value, or a maximum length is longer than the model has
            positions.
    """
    names = [field.name for field in fields(Contract)]
    for name in options:
        if name not in names:
            raise DenseflowError(f"contract.{name}: no such key; expected one of {', '.join(names)}")
    given = {name: value for name, value in options.items() if value is not None}
    if "similarity" in given:
        if given["similarity"] not in SIMILARITIES:
            raise DenseflowError(f"contract.similarity: {given['similarity']!r}, expected dot or cosine")
        model.similarity_fn_name = given["similarity"]
    contract = replace(read_contract(model), **given)
    if "pooling" in given:
        _set_pooling(model, given["pooling"])
    _set_normalize(model, contract.normalize)
    _set_lengths(model, contract)
    _set_prefixes(model, contract)
    set_title_separator(model, contract.title_separator)
    return contract


def find_module(model: SentenceTransformer, kind: type) -> Any:
    """The first of a model's modules that is of ``kind``, or None."""
    return next((module for module in model if isinstance(module, kind)), None)


def title_separator(model: SentenceTransformer) -> str:
    """The title separator of a loaded encoder."""
    return str(getattr(model, "title_separator", TITLE_SEPARATOR))


def set_title_separator(model: SentenceTransformer, separator: str) -> None:
    """Keep a title separator with a loaded encoder."""
    model.title_separator = separator  # type: ignore[assignment]  # a torch module takes any attribute


def _set_pooling(model: SentenceTransformer, mode: str) -> None:
    place = next((place for place, module in enumerate(model) if isinstance(module, Pooling)), None)
    if place is None:
        raise DenseflowError(f"contract.pooling: {mode!r}, but the model has no pooling to change; leave the key out")
    if mode not in Pooling.POOLING_MODES:
        raise DenseflowError(f"contract.pooling: {mode!r}, expected one of {', '.join(Pooling.POOLING_MODES)}")
    old = model[place]
    if old.pooling_mode != mode:
        model[place] = Pooling(old.embedding_dimension, mode, include_prompt=old.include_prompt)


def _set_normalize(model: SentenceTransformer, normalize: bool) -> None:
    if normalize and find_module(model, Normalize) is None:
        model.append(Normalize())
    if not normalize:
        for place in reversed([place for place, module in enumerate(model) if isinstance(module, Normalize)]):
            del model[place]


def _set_lengths(model: SentenceTransformer, contract: Contract) -> None:
    positions = _positions(model)
    for key in ("query_max_length", "passage_max_length"):
        length = getattr(contract, key)
        if length < 1 or (positions is not None and length > positions):
            limit = "1 or more" if positions is None else f"1 to {positions}, as many as the model has positions"
            raise DenseflowError(f"contract.{key}: {length} tokens, expected {limit}")
    transformer = find_module(model, Transformer)
    if transformer is not None:
        transformer.query_length = contract.query_max_length
        transformer.document_length = contract.passage_max_length
        transformer.max_seq_length = contract.passage_max_length


def _set_prefixes(model: SentenceTransformer, contract: Contract) -> None:
    model.prompts["query"] = contract.query_prefix
    model.prompts["document"] = contract.passage_prefix
    for older in ("passage", "corpus"):  # or they would come back where "document" is made empty
        model.prompts.pop(older, None)
        if model.default_prompt_name == older:
            model.default_prompt_name = "document"


def _passage_prefix(model: SentenceTransformer) -> str:
    # sentence-transformers fills in an empty "document", which hides the "passage" that older models were saved with.
    names = ("document", "passage", "corpus")
    return next((prompt for prompt in map(model.prompts.get, names) if prompt), "")


def _longest(model: SentenceTransformer) -> int:
    # A tokenizer that knows no limit says 10**30.
    known = [n for n in (model.max_seq_length, _positions(model)) if n is not None and 0 < n < 10**9]
    if not known:
        raise DenseflowError(
            "the model says nowhere how long a text may be; set contract.query_max_length and "
            "contract.passage_max_length in the model's file"
        )
    return min(known)


def _positions(model: SentenceTransformer) -> int | None:
    """How many tokens the model has positions for, or None where there is no limit."""
    transformer = find_module(model, Transformer)
    if transformer is None:
        return None
    for module in transformer.auto_model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            # RoBERTa and its kin count positions from padding_idx + 1.
            return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return getattr(transformer.config, "max_position_embeddings", None)
