"""The encoder: an ordinary sentence-transformers folder that keeps its contract, loaded, saved and fed with texts.

What sentence-transformers has no place for stands beside its files in ``denseflow.json``: the title separator, and
whether the model's file allows the model's own code to run.
"""

import inspect
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.base.modules import Transformer
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_MAPPING
from transformers.utils import logging as transformers_logging

from denseflow.contract import (
    TITLE_SEPARATOR,
    Contract,
    apply_contract,
    passage_text,
    read_contract,
    set_title_separator,
    title_separator,
)
from denseflow.errors import DenseflowError
from denseflow.files import write_json
from denseflow.sides import TASKS, Kind, find_module, modules_of
from denseflow.splade import is_sparse_folder, make_ready

__all__ = [
    "Contract",
    "Kind",
    "apply_contract",
    "dimensions",
    "embed",
    "find_module",
    "learns",
    "load_encoder",
    "passage_text",
    "read_contract",
    "save_encoder",
    "tokenize",
]

EXTRA = "denseflow.json"


def load_encoder(folder: Path, *, device: str = "cpu", trust_remote_code: bool | None = None) -> SentenceTransformer:
    """Load a sentence-transformers folder in float32, in evaluation mode.

    A sparse encoder (:mod:`denseflow.splade`) is a ``SparseEncoder``, which has all of a ``SentenceTransformer`` that
    is used of both, and goes by its name in types.

    Args:
        folder: A folder with modules.json, such as ``model/`` of the train stage.
        device: torch's name of a device.
        trust_remote_code: Whether the model's own code may run; None: what denseflow.json in the folder says, which
            holds the choice of the model's file.

    Raises:
        DenseflowError: The folder is no sentence-transformers folder or cannot be loaded.
    """
    if not (folder / "modules.json").is_file():
        raise DenseflowError(
            f"{folder}: no modules.json in it; expected a sentence-transformers folder. A plain Hugging Face folder "
            "becomes one when a model file names it as its source and gives contract.pooling"
        )
    path = folder / EXTRA
    extra = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    trust = extra.get("trust_remote_code", False) if trust_remote_code is None else trust_remote_code
    sparse = is_sparse_folder(folder)
    with explain_loading(folder):
        loaded = (SparseEncoder if sparse else SentenceTransformer)(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=trust,
            model_kwargs={"dtype": torch.float32} if sparse else model_options(folder, trust_remote_code=trust),
        )
    model = cast(SentenceTransformer, make_ready(loaded) if isinstance(loaded, SparseEncoder) else loaded)
    set_title_separator(model, extra.get("title_separator", TITLE_SEPARATOR))
    return model.eval()


def save_encoder(model: SentenceTransformer, folder: Path) -> None:
    """Write an encoder with its contract as a sentence-transformers folder, whole or not at all; an old one goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with quiet():
            model.save(str(temporary), create_model_card=False)
        for settings in temporary.rglob(Transformer.config_file_name):
            transformer = find_module(
                model, Transformer, "query" if settings.parent.name.startswith("q") else "passage"
            )
            if transformer is not None and _takes_pooling_layer(type(transformer.auto_model)):
                # sentence-transformers reads this key and does not write it; without it a pooler is made up at loading.
                keys = json.loads(settings.read_text(encoding="utf-8"))
                write_json(settings, {**keys, "model_kwargs": {"add_pooling_layer": False}})
        for code in temporary.glob("*/*.py"):  # saved in its module's folder, looked for in the root
            code.replace(temporary / code.name)
        extra = {"title_separator": title_separator(model), "trust_remote_code": bool(model.trust_remote_code)}
        write_json(temporary / EXTRA, extra)
        replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def tokenize(model: SentenceTransformer, texts: Sequence[str], kind: Kind, **options: Any) -> dict[str, Any]:
    """The features of a padded batch of texts, prefix put before and cut at the maximum length of their kind.

    Args:
        model: The encoder.
        texts: Queries, or the results of :func:`passage_text`.
        kind: Which of the contract's two sides applies.
        options: Further options of sentence-transformers' ``preprocess``.

    Returns:
        ``input_ids`` and ``attention_mask``, int64, shape (texts, longest), and what else :func:`embed` takes.
    """
    task = TASKS[kind]
    return model.preprocess(list(texts), prompt=model.prompts.get(task) or None, task=task, **options)


def embed(model: torch.nn.Module, features: Mapping[str, Any], kind: Kind) -> torch.Tensor:
    """The vectors of a batch of texts, shape (texts, dimensions), from the side of the encoder that ``kind`` names.

    A side that does not learn is encoded as it will be searched, without dropout, and gives vectors without a graph.

    Args:
        model: The encoder.
        features: What :func:`tokenize` gives for this kind, on the encoder's device.
        kind: Which of two separate encoders applies; a shared one is the same for both.
    """
    task = TASKS[kind]
    if learns(model, kind):
        return model(dict(features), task=task)["sentence_embedding"]
    for module in modules_of(model, kind):
        module.eval()
    with torch.no_grad():
        return model(dict(features), task=task)["sentence_embedding"]


def learns(model: torch.nn.Module, kind: Kind) -> bool:
    """Whether any weight that the texts of a kind pass through is trained."""
    return any(weights.requires_grad for module in modules_of(model, kind) for weights in module.parameters())


def dimensions(model: SentenceTransformer) -> int:
    """The number of dimensions of an encoder's vectors.

    Raises:
        DenseflowError: None of its modules says it.
    """
    found = model.get_embedding_dimension()
    if found is None:
        raise DenseflowError(f"no module of the model says how many dimensions its vectors have: {model}")
    return found


def model_options(folder: Path, *, trust_remote_code: bool = False) -> dict[str, Any]:
    """What transformers is told when it loads the weights of ``folder``: float32, and no pooler where one is optional.

    A BERT whose weights hold no pooler would get a random one, which no vector uses.
    """
    options: dict[str, Any] = {"dtype": torch.float32}
    folders = [folder, *(path.parent for path in sorted(folder.glob("*_Transformer/config.json")))]  # a Router's
    configs = [
        AutoConfig.from_pretrained(place, trust_remote_code=trust_remote_code)
        for place in folders
        if (place / "config.json").is_file()
    ]
    architectures = [MODEL_MAPPING.get(type(config), None) for config in configs]
    if configs and all(isinstance(kind, type) and _takes_pooling_layer(kind) for kind in architectures):
        options["add_pooling_layer"] = False
    return options


@contextmanager
def explain_loading(folder: Path) -> Iterator[None]:
    """Turn what transformers and sentence-transformers raise for a broken folder into an error that names it."""
    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        raise DenseflowError(
            f"{folder}: cannot be loaded as a sentence-transformers model ({type(error).__name__}: {error}); check "
            "that its files are whole"
        ) from error


def replace_folder(new: Path, folder: Path) -> None:
    """Put the finished folder ``new`` in the place of ``folder``."""
    new.chmod(0o755)  # a temporary folder is closed to others
    if folder.exists():
        shutil.rmtree(folder)
    new.replace(folder)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' bars and reports on weights, which fill a log."""
    bars, level = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _takes_pooling_layer(architecture: type) -> bool:
    return "add_pooling_layer" in inspect.signature(architecture).parameters
