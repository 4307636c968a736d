"""A LoRA adapter that somebody has trained, merged into the model that it belongs to."""

import json
import logging
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer

from denseflow.errors import DenseflowError
from denseflow.sides import find_transformers
from denseflow.train.adapters import merge_adapters
from denseflow.train.hub import download
from denseflow.train.model_files import ADAPTER_CONFIG, adapter_files, list_files
from denseflow.train.weights import read_pickle

LOG = logging.getLogger("denseflow")


def merge_adapter(
    model: SentenceTransformer, source: Mapping[str, Any], files: Path, revisions: Path
) -> dict[str, Any]:
    """Add an adapter in peft's format to a loaded encoder's weights, in place.

    The weights become W + (alpha / rank) B A (Hu et al., 2021, https://arxiv.org/abs/2106.09685), in float32; the
    encoder has then no more parameters than before. The adapter's tokenizer, where it brings one, is not taken.

    Args:
        model: The encoder that the adapter was trained on, with one transformer.
        source: ``{"path": folder}`` or ``{"hub": id, "revision": revision or None}``.
        files: The folder for a copy of the adapter's files.
        revisions: The JSON file in which the commits of models from the hub are recorded.

    Returns:
        What to record of the adapter.

    Raises:
        DenseflowError: The adapter cannot be reached, is not of LoRA's kind, or does not fit the model.
    """
    place, facts = _find(source, revisions)
    name = f"{place} (pretrained.adapter)"
    config = _copy(place, files, name)
    if len(find_transformers(model)) > 1:
        raise DenseflowError(
            f"{name}: the model has separate encoders for queries and passages, and an adapter belongs to one of them; "
            "name their folders as the source and, below it, as `passage`, each with its own `adapter`"
        )
    transformer = find_transformers(model)[0].auto_model
    weights = {_without_head(key, transformer): value for key, value in _read(files, name).items()}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():  # what peft draws is replaced by the weights
        warnings.simplefilter("ignore")
        adapted = _adapt(transformer, config, name)
        try:
            loaded: Any = set_peft_model_state_dict(adapted, weights)
        except RuntimeError as error:
            raise DenseflowError(f"{name}: does not fit the model: {str(error).splitlines()[-1].strip()}") from None
    missing = [key for key in loaded.missing_keys if "lora_" in key]
    if missing or loaded.unexpected_keys:
        raise DenseflowError(
            f"{name}: does not fit the model: {len(missing)} weights are not in it, {len(loaded.unexpected_keys)} have "
            f"no place in the model, such as {[*missing, *loaded.unexpected_keys][0]}; name the model that the adapter "
            f"was trained on (its {ADAPTER_CONFIG} says {config.base_model_name_or_path!r})"
        )
    merge_adapters(transformer)
    LOG.info("%s: rank %d, %d weights merged", name, config.r, len(weights) // 2)
    return facts


def _find(source: Mapping[str, Any], revisions: Path) -> tuple[Path, dict[str, Any]]:
    if source.get("hub"):
        place, commit = download(
            source["hub"], source.get("revision"), revisions, trust_remote_code=False, adapter=True
        )
        return place, {"hub": source["hub"], "revision": commit}
    place = Path(source["path"])
    if not place.is_dir():
        raise DenseflowError(f"source.adapter.path: {place}: no such folder; expected one with an adapter's files")
    return place, {"path": str(place)}


def _copy(place: Path, files: Path, name: str) -> LoraConfig:
    """Copy an adapter's files, and read its settings."""
    wanted = adapter_files(list_files(place))
    if ADAPTER_CONFIG not in wanted or len(wanted) != 2:
        raise DenseflowError(
            f"{name}: expected peft's {ADAPTER_CONFIG} and adapter_model.safetensors in it, found "
            f"{', '.join(wanted) or 'neither'}"
        )
    files.mkdir(parents=True)
    for file in wanted:
        shutil.copyfile(place / file, files / file)
    settings = json.loads((files / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    usual = {"peft_type": "LORA", "bias": "none", "modules_to_save": None, "trainable_token_indices": None}
    for key, value in usual.items():
        if settings.get(key, value) not in (value, [] if value is None else value):
            raise DenseflowError(
                f"{name}: {key} in its {ADAPTER_CONFIG} is {settings[key]!r}, expected {value!r}: an adapter of LoRA's "
                "kind that changes nothing beside linear layers. Merge this one with peft, save the model, and name "
                "that folder with `path`"
            )
    config = LoraConfig.from_pretrained(str(files))
    config.task_type = None  # for any task peft would ask for that task's head, which an encoder has not
    return config


def _read(files: Path, name: str) -> dict[str, torch.Tensor]:
    safe = files / "adapter_model.safetensors"
    if not safe.is_file():
        return read_pickle(files / "adapter_model.bin", f"{name}: adapter_model.bin")
    try:
        return load_file(safe)
    except SafetensorError as error:
        raise DenseflowError(f"{safe}: no whole safetensors file ({error}); fetch the adapter again") from None


def _adapt(transformer: torch.nn.Module, config: LoraConfig, name: str) -> torch.nn.Module:
    try:
        return get_peft_model(transformer, config)  # type: ignore[arg-type]
    except ValueError as error:  # its target modules are not there
        raise DenseflowError(f"{name}: does not fit the model: {str(error).splitlines()[0]}") from None


def _without_head(key: str, transformer: torch.nn.Module) -> str:
    """The name of an adapter's weight in the bare transformer: a language model has that below ``model``."""
    start = "base_model.model."
    below = f"{start}model."
    return start + key.removeprefix(below) if key.startswith(below) and not hasattr(transformer, "model") else key
