"""The cross-encoder: an ordinary sentence-transformers CrossEncoder folder that reads a query and a passage together.

What belongs to its contract and has no place in sentence-transformers stands in ``denseflow.json`` beside its files:
the prefixes and the title separator. The maximum length of a pair is the tokenizer's own. The activation is none, so
that ``CrossEncoder(folder).predict`` gives the scores that are ranked by: a sigmoid orders alike, but makes ties of
high scores in float32.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer

from denseflow.contract import TITLE_SEPARATOR, Contract, count_positions
from denseflow.encoder import EXTRA, explain_loading, quiet, replace_folder
from denseflow.errors import DenseflowError
from denseflow.files import write_json
from denseflow.special_tokens import give_padding_token
from denseflow.token_rows import Row, collect_rows

_SETTINGS = "config_sentence_transformers.json"
_NO_LIMIT = 10**9  # a tokenizer that knows no limit says 10**30


@dataclass(frozen=True)
class PairContract:
    """How a query and a passage become one input.

    Attributes:
        query_prefix: Put before each query.
        passage_prefix: Put before each passage, title included.
        pair_max_length: Of both together, in tokens, special tokens and prefixes included; where a pair is longer,
            the longer of the two is cut.
        title_separator: Between the title and the text of a passage that has both.
    """

    query_prefix: str
    passage_prefix: str
    pair_max_length: int
    title_separator: str

    def as_dict(self) -> dict[str, Any]:
        """The contract as plain values, for a manifest."""
        return asdict(self)


def is_cross_encoder(folder: Path) -> bool:
    """Whether a folder says that it holds a cross-encoder, sentence-transformers' or plain sequence classification."""
    settings = _read_json(folder / _SETTINGS)
    if "model_type" in settings:
        return settings["model_type"] == "CrossEncoder"
    architectures = _read_json(folder / "config.json").get("architectures") or [""]
    return architectures[0].endswith("ForSequenceClassification")


def load_cross_encoder(
    folder: Path, *, device: str = "cpu", trust_remote_code: bool | None = None, name: str | None = None
) -> CrossEncoder:
    """Load a cross-encoder with its contract in float32, in evaluation mode.

    Args:
        folder: Such as ``model/`` of the train stage.
        device: torch's name of a device.
        trust_remote_code: Whether the model's own code may run; None: what denseflow.json in the folder says.
        name: What the model is called in an error; None: its folder.

    Raises:
        DenseflowError: The folder holds no cross-encoder, or one that gives no single score, or is broken.
    """
    name = name or str(folder)
    if not is_cross_encoder(folder):
        raise DenseflowError(
            f"{name}: holds no cross-encoder, expected a sentence-transformers CrossEncoder folder or one for "
            "sequence classification; set `kind: encoder` in the model's file, or train a cross-encoder from it"
        )
    extra = _read_json(folder / EXTRA)
    trust = extra.get("trust_remote_code", False) if trust_remote_code is None else trust_remote_code
    with explain_loading(folder):
        model = CrossEncoder(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=trust,
            model_kwargs={"dtype": torch.float32},
            activation_fn=torch.nn.Identity(),
        )
    _refuse_other_kinds(model, name)
    _set_pad_token(model, name)
    _set_texts(model, extra)
    return model.eval()


def new_cross_encoder(
    folder: Path, contract: Contract, *, seed: int, device: str = "cpu"
) -> tuple[CrossEncoder, list[str]]:
    """Put a new head, drawn with ``seed``, on an encoder.

    The prefixes and the title separator stay; a pair may be as long as a query and a passage together were.

    Args:
        folder: The encoder's sentence-transformers folder.
        contract: The encoder's contract.
        seed: Of the head's weights.
        device: torch's name of a device.

    Returns:
        The cross-encoder, and the names of the weights that the folder does not hold.

    Raises:
        DenseflowError: The encoder has two sides, wants code of its own, or transformers has no head for its kind.
    """
    if _read_json(folder / EXTRA).get("trust_remote_code", False):
        raise DenseflowError(
            f"{folder}: the encoder runs code of its own, which has no head for a cross-encoder that could be known; "
            "start from an encoder that transformers has itself"
        )
    if not (folder / "config.json").is_file():
        raise DenseflowError(
            f"{folder}: no config.json in it, as where queries and passages have encoders of their own; a "
            "cross-encoder starts from one encoder: choose a `base` whose recipe says `encoders: shared`"
        )
    local: dict[str, Any] = {"local_files_only": True}
    with explain_loading(folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = Transformer(
            str(folder),
            transformer_task="sequence-classification",
            model_kwargs={"dtype": torch.float32, **local},
            processor_kwargs=dict(local),
            config_kwargs={"num_labels": 1, **local},
        )
        transformer.modality_config.pop("message", None)  # a chat template is for chats
        known = type(transformer.auto_model).from_pretrained(
            folder, config=transformer.config, local_files_only=True, output_loading_info=True
        )[1]
    model = CrossEncoder(modules=[transformer], device=device, activation_fn=torch.nn.Identity())
    _set_pad_token(model, str(folder))
    _set_texts(model, asdict(contract))
    together = contract.query_max_length + contract.passage_max_length
    apply_pair_contract(model, {"pair_max_length": min(together, count_positions(model) or together)})
    new = [name for name, _ in transformer.auto_model.named_parameters() if name in known["missing_keys"]]
    return model.eval(), new


def save_cross_encoder(model: CrossEncoder, folder: Path) -> None:
    """Write a cross-encoder with its contract, whole or not at all; an old folder goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with quiet():
            model.save(str(temporary), create_model_card=False)
        texts = read_pair_contract(model).as_dict()
        del texts["pair_max_length"]  # the tokenizer keeps it
        write_json(temporary / EXTRA, {**texts, "trust_remote_code": bool(model.trust_remote_code)})
        replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_pair_contract(model: CrossEncoder) -> PairContract:
    """The contract that a loaded cross-encoder keeps.

    Raises:
        DenseflowError: No maximum length is known.
    """
    if _contract(model).pair_max_length == 0:
        raise DenseflowError(
            "the model says nowhere how long a pair may be; set contract.pair_max_length in the model's file"
        )
    return _contract(model)


def apply_pair_contract(model: CrossEncoder, options: Mapping[str, Any]) -> PairContract:
    """Change the contract of a loaded cross-encoder in place, and return it whole.

    Args:
        model: The cross-encoder.
        options: Fields of :class:`PairContract`; None or a missing one keeps what the model says.

    Raises:
        DenseflowError: An option means nothing to a cross-encoder, or the length is none that the model has.
    """
    names = [field.name for field in fields(PairContract)]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in names:
            raise DenseflowError(f"contract.{name}: a cross-encoder has no such key; expected {', '.join(names)}")
    model.pair_contract = replace(_contract(model), **given)  # type: ignore[assignment]
    contract = read_pair_contract(model)
    positions = count_positions(model)
    if contract.pair_max_length < 4 or (positions is not None and contract.pair_max_length > positions):
        limit = "4 or more" if positions is None else f"4 to {positions}, as many as the model has positions"
        raise DenseflowError(f"contract.pair_max_length: {contract.pair_max_length} tokens, expected {limit}")
    model.max_seq_length = contract.pair_max_length
    return contract


def tokenize_pairs(model: CrossEncoder, pairs: Sequence[tuple[str, str]], **options: Any) -> dict[str, Any]:
    """The features of a padded batch of pairs, prefixes put before and cut at the maximum length of a pair.

    Args:
        model: The cross-encoder.
        pairs: Queries and passages, the latter as :func:`denseflow.contract.passage_text` gives them.
        options: Further options of sentence-transformers' ``preprocess``.

    Returns:
        ``input_ids`` and ``attention_mask``, int64, shape (pairs, longest), and what else :func:`pair_scores` takes.
    """
    contract = read_pair_contract(model)
    query_prefix, passage_prefix = contract.query_prefix, contract.passage_prefix
    return model.preprocess([[query_prefix + query, passage_prefix + passage] for query, passage in pairs], **options)


def tokenize_pair_rows(model: CrossEncoder, pairs: Sequence[tuple[str, str]]) -> tuple[list[Row], dict[str, Any]]:
    """The features of each pair, as :func:`tokenize_pairs` gives them, and those that all pairs share."""
    return collect_rows(lambda some, **options: tokenize_pairs(model, some, **options), pairs)


def pair_scores(model: torch.nn.Module, features: Mapping[str, Any]) -> torch.Tensor:
    """The scores of a batch of pairs, shape (pairs,), as the head gives them."""
    return model(dict(features))["scores"].squeeze(-1)


def _refuse_other_kinds(model: CrossEncoder, name: str) -> None:
    task = getattr(model[0], "transformer_task", None)
    if task != "sequence-classification" or len(model) > 1:
        raise DenseflowError(
            f"{name}: a cross-encoder of kind {task!r} with {len(model)} modules, expected a transformer with a head "
            "for sequence classification; generating rerankers are not supported, choose another model"
        )
    if model.num_labels != 1:
        raise DenseflowError(
            f"{name}: its head gives {model.num_labels} numbers, expected 1, the score; choose a cross-encoder that "
            "was trained to rank"
        )
    if model.default_prompt_name is not None:
        raise DenseflowError(
            f"{name}: puts its prompt {model.default_prompt_name!r} before every pair, which is not supported; take "
            f"default_prompt_name out of its {_SETTINGS} and set contract.query_prefix instead"
        )


def _set_pad_token(model: CrossEncoder, name: str) -> None:
    """A decoder's head looks for the last token before the padding, and must know which token pads."""
    give_padding_token(model.tokenizer, name)
    config: Any = model[0].config
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = model.tokenizer.pad_token_id


def _set_texts(model: CrossEncoder, known: Mapping[str, Any]) -> None:
    contract = PairContract(
        query_prefix=known.get("query_prefix", ""),
        passage_prefix=known.get("passage_prefix", ""),
        pair_max_length=_longest(model),
        title_separator=known.get("title_separator", TITLE_SEPARATOR),
    )
    if contract.pair_max_length:
        model.max_seq_length = contract.pair_max_length
    model.pair_contract = contract  # type: ignore[assignment]  # a torch module takes any attribute


def _contract(model: CrossEncoder) -> PairContract:
    contract: PairContract = model.pair_contract  # type: ignore[assignment]
    return contract


def _longest(model: CrossEncoder) -> int:
    """The most tokens of an input that tokenizer and model allow; 0 where neither says it."""
    known = [n for n in (model.max_seq_length, count_positions(model)) if n is not None and 0 < n < _NO_LIMIT]
    return min(known, default=0)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
