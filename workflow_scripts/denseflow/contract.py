"""The encoder's contract: how a text becomes a vector, read from and written to a loaded encoder.

The contract lives where sentence-transformers itself reads it: pooling and normalisation in their modules, prefixes in
the prompts ``query`` and ``document``, maximum lengths in the Transformer's ``query_length`` and ``document_length``,
special tokens and the padding side in the tokenizer's files, the similarity in ``similarity_fn_name``. So
``SentenceTransformer(folder).encode_query`` and ``.encode_document`` give exactly the vectors of the encode stage. Only
the title separator is ours, an attribute of the loaded encoder. Separate encoders for queries and passages
(:mod:`denseflow.sides`) share one contract, but for the lengths, of which each has its own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from sentence_transformers.util import batch_to_device

from denseflow.collection import Document
from denseflow.errors import DenseflowError
from denseflow.sides import KINDS, TASKS, Kind, containers, find_module, find_tokenizer, find_transformers, modules_of
from denseflow.special_tokens import (
    has_special_token,
    name_pad_token,
    put_special_token,
    set_pad_token,
    set_padding_side,
)

TITLE_SEPARATOR = " "
SIMILARITIES = ("dot", "cosine")


@dataclass(frozen=True)
class Contract:
    """How a text becomes a vector.

    Attributes:
        pooling: sentence-transformers' name, such as ``cls`` or ``mean``; None where the model has no pooling, and
            queries/passages, such as ``cls/mean``, where two encoders differ.
        normalize: Whether the vectors are brought to length 1.
        query_prefix: Put before each query.
        passage_prefix: Put before each passage, title included.
        query_max_length: In tokens, special tokens and prefix included; what is longer is cut.
        passage_max_length: The same for passages.
        title_separator: Between the title and the text of a passage that has both.
        similarity: ``dot``, or ``cosine``, for which the search normalises.
        add_bos: Whether each text begins with the tokenizer's bos token.
        add_eos: Whether each text ends with the tokenizer's eos token, also where it was cut.
        padding_side: ``right`` or ``left``; vectors do not depend on it.
        pad_token: ``unk`` or ``eos`` where the tokenizer pads with that token, ``pad`` where it has one of its own;
            vectors do not depend on it either.
    """

    pooling: str | None
    normalize: bool
    query_prefix: str
    passage_prefix: str
    query_max_length: int
    passage_max_length: int
    title_separator: str
    similarity: str
    add_bos: bool
    add_eos: bool
    padding_side: str
    pad_token: str

    def as_dict(self) -> dict[str, Any]:
        """The contract as plain values, for a manifest."""
        return asdict(self)


class Titles(Protocol):
    """What a contract says of titles; a cross-encoder's says it too."""

    @property
    def title_separator(self) -> str:
        """Between the title and the text of a passage that has both."""
        ...


def passage_text(document: Document, contract: Titles) -> str:
    """The text of a document as a model reads it: title, separator, text; either may be empty."""
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
    pooling = list(dict.fromkeys(str(_pooling(model, kind)) for kind in KINDS))
    tokenizers = [find_tokenizer(model, kind) for kind in KINDS]
    return Contract(
        pooling="/".join(pooling) if pooling != ["None"] else None,
        normalize=all(find_module(model, Normalize, kind) is not None for kind in KINDS),
        query_prefix=model.prompts.get("query") or "",
        passage_prefix=_passage_prefix(model),
        query_max_length=_length(model, "query"),
        passage_max_length=_length(model, "passage"),
        title_separator=title_separator(model),
        similarity=similarity,
        add_bos=all(has_special_token(tokenizer, "bos") for tokenizer in tokenizers),
        add_eos=all(has_special_token(tokenizer, "eos") for tokenizer in tokenizers),
        padding_side=getattr(tokenizers[0], "padding_side", "right"),
        pad_token=name_pad_token(tokenizers[0]),
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
    for transformer in find_transformers(model):  # or a model that says no length could not be read
        for kind in KINDS:
            if f"{kind}_max_length" in given:
                setattr(transformer, f"{TASKS[kind]}_length", given[f"{kind}_max_length"])
    contract = replace(read_contract(model), **given)
    if "pooling" in given:
        _set_pooling(model, given["pooling"])
    if "normalize" in given:
        _set_normalize(model, given["normalize"])
    _set_lengths(model, contract)
    _set_prefixes(model, contract)
    set_title_separator(model, contract.title_separator)
    _set_tokens(model, given)
    return contract


def title_separator(model: SentenceTransformer) -> str:
    """The title separator of a loaded encoder."""
    return str(getattr(model, "title_separator", TITLE_SEPARATOR))


def set_title_separator(model: SentenceTransformer, separator: str) -> None:
    """Keep a title separator with a loaded encoder."""
    model.title_separator = separator  # type: ignore[assignment]  # a torch module takes any attribute


def _set_pooling(model: SentenceTransformer, mode: str) -> None:
    if any(find_module(model, Pooling, kind) is None for kind in KINDS):
        raise DenseflowError(f"contract.pooling: {mode!r}, but the model has no pooling to change; leave the key out")
    if mode not in Pooling.POOLING_MODES:
        raise DenseflowError(f"contract.pooling: {mode!r}, expected one of {', '.join(Pooling.POOLING_MODES)}")
    for container in containers(model):
        for place, old in enumerate(container):
            if isinstance(old, Pooling) and old.pooling_mode != mode:
                container[place] = Pooling(old.embedding_dimension, mode, include_prompt=old.include_prompt)


def _set_normalize(model: SentenceTransformer, normalize: bool) -> None:
    if normalize and any(find_module(model, Normalize, kind) is None for kind in KINDS):
        model.append(Normalize())
    if not normalize:
        for container in containers(model):
            for place in reversed([place for place, module in enumerate(container) if isinstance(module, Normalize)]):
                del container[place]


def _set_lengths(model: SentenceTransformer, contract: Contract) -> None:
    for kind in KINDS:
        length = getattr(contract, f"{kind}_max_length")
        positions = count_positions(model, kind)
        if length < 1 or (positions is not None and length > positions):
            limit = "1 or more" if positions is None else f"1 to {positions}, as many as the model has positions"
            raise DenseflowError(f"contract.{kind}_max_length: {length} tokens, expected {limit}")
        transformer = find_module(model, Transformer, kind)
        if transformer is not None:  # a shared one gets the passages' length last, and keeps it for other tasks
            transformer.max_seq_length = length
    for transformer in find_transformers(model):
        transformer.query_length = contract.query_max_length
        transformer.document_length = contract.passage_max_length


def _set_tokens(model: SentenceTransformer, given: Mapping[str, Any]) -> None:
    for kind in KINDS:
        tokenizer = find_tokenizer(model, kind)
        for which in ("bos", "eos"):
            if f"add_{which}" in given:
                put_special_token(tokenizer, which, given[f"add_{which}"])
        if "pad_token" in given:
            set_pad_token(tokenizer, given["pad_token"])
        if "padding_side" in given:
            set_padding_side(tokenizer, given["padding_side"])
            _refuse_padding_that_matters(model, kind)


def _refuse_padding_that_matters(model: SentenceTransformer, kind: Kind) -> None:
    """Refuse padding on the left for a model that counts its positions from there, as BERT and GPT-2 do."""
    task = TASKS[kind]
    training = model.training
    with torch.inference_mode():
        model.eval()
        alone, padded = (
            model(batch_to_device(model.preprocess(texts, task=task), model.device), task=task)["sentence_embedding"][0]
            for texts in (["a"], ["a", "a a a a a a"])
        )
    model.train(training)
    if not torch.allclose(alone, padded, rtol=1e-3, atol=1e-4 * float(alone.abs().max())):
        raise DenseflowError(
            "contract.padding_side: 'left', but this model counts a text's positions from the left, padding included, "
            "so that a vector would depend on the other texts in its batch; leave the key out, or set it to right"
        )


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


def _pooling(model: SentenceTransformer, kind: Kind) -> str | None:
    mode = getattr(find_module(model, Pooling, kind), "pooling_mode", None)
    return mode if mode is None or isinstance(mode, str) else "+".join(mode)


def _length(model: SentenceTransformer, kind: Kind) -> int:
    """The maximum length of a kind of texts, in tokens."""
    said = getattr(find_module(model, Transformer, kind), f"{TASKS[kind]}_length", None)
    if said:
        return int(said)
    # A tokenizer that knows no limit says 10**30.
    longest = getattr(modules_of(model, kind)[0], "max_seq_length", None)
    known = [n for n in (longest, count_positions(model, kind)) if n is not None and 0 < n < 10**9]
    if not known:
        raise DenseflowError(
            "the model says nowhere how long a text may be; set contract.query_max_length and "
            "contract.passage_max_length in the model's file"
        )
    return int(min(known))


def count_positions(model: torch.nn.Module, kind: Kind = "passage") -> int | None:
    """How many tokens a side of the model has positions for, or None where there is no limit."""
    transformer = find_module(model, Transformer, kind)
    if transformer is None:
        return None
    for module in transformer.auto_model.modules():
        table = getattr(module, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            # RoBERTa and its kin count positions from padding_idx + 1.
            return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return getattr(transformer.config, "max_position_embeddings", None)
