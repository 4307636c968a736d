"""Which files of a model's folder or repository are taken, and what in them would run code of the model's own."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import write_json

PICKLE = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")
SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")

ADAPTER_CONFIG = "adapter_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

_SETTINGS = {".json", ".txt", ".model", ".jinja"}  # .model: SentencePiece's vocabulary, a protocol buffer
_MODULE_FOLDER = re.compile(r"([a-z]+_)?\d+_\w+")  # 1_Pooling; query_0_Transformer of a Router
_OWN_PACKAGE = "sentence_transformers."


def wanted_files(names: Iterable[str], *, trust_remote_code: bool) -> list[str]:
    """Choose settings, vocabularies and weights among ``names``, paths relative to the model's folder.

    Weights in pickle form are taken only where a folder has none as safetensors; code only where it is trusted; other
    forms of the same weights (ONNX, TensorFlow ...) never. Nor an adapter's settings: transformers would fetch another
    model for them.
    """
    paths = [PurePosixPath(name) for name in names if name != ADAPTER_CONFIG]
    paths = [path for path in paths if all(_MODULE_FOLDER.fullmatch(parent) for parent in path.parts[:-1])]
    safe = {path.parent for path in paths if SAFETENSORS.fullmatch(path.name)}
    return sorted(
        str(path)
        for path in paths
        if path.suffix in _SETTINGS
        or SAFETENSORS.fullmatch(path.name)
        or (PICKLE.fullmatch(path.name) and path.parent not in safe)
        or (path.suffix == ".py" and trust_remote_code)
    )


def adapter_files(names: Iterable[str]) -> list[str]:
    """Choose peft's settings and weights among ``names``; weights in pickle form only where there are no others."""
    there = set(names)
    weights = [name for name in ("adapter_model.safetensors", "adapter_model.bin") if name in there]
    return [*({ADAPTER_CONFIG} & there), *weights[:1]]


def list_files(folder: Path) -> list[str]:
    """All files below ``folder``, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def set_tokenizer(folder: Path, options: Mapping[str, Any]) -> None:
    """Have each tokenizer_config.json of a model's files say ``options`` beside what it says already.

    A tokenizer whose files leave an option out depends on the default of the installed transformers: of Japanese BERTs
    the dictionary, which was ipadic before transformers 5 and is unidic_lite since.
    """
    for path in sorted(folder.rglob(TOKENIZER_CONFIG)) or [folder / TOKENIZER_CONFIG]:
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        write_json(path, {**said, **options})


def refuse_own_code(folder: Path, name: str) -> None:
    """Refuse a model whose settings ask for code that is neither transformers' nor sentence-transformers'.

    Args:
        folder: The model's files.
        name: What the model is called in the error.

    Raises:
        DenseflowError: The setting and the code are named.
    """
    for path in sorted(folder.rglob("*.json")):
        for setting, code in _asked_code(path):
            raise DenseflowError(
                f"{name}: its {path.relative_to(folder)} asks in {setting} for code of its own to be run: {code}. Read "
                "that code; if you trust it, set `trust_remote_code: true` beside the source in the model's file"
            )


def _asked_code(path: Path) -> list[tuple[str, str]]:
    try:
        settings: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DenseflowError(f"{path}: not JSON ({error}); the model's folder is broken, fetch it again") from None
    if path.name == "modules.json":
        return [("type", entry["type"]) for entry in settings if not entry["type"].startswith(_OWN_PACKAGE)]
    if not isinstance(settings, dict):
        return []
    asked = []
    if settings.get("auto_map"):
        asked.append(("auto_map", json.dumps(settings["auto_map"])))
    if path.name == "router_config.json":
        types = settings.get("types", {}).values()
        asked += [("types", name) for name in types if not name.startswith(_OWN_PACKAGE)]
    for key, own in (("activation_function", "torch.nn."), ("tokenizer_class", _OWN_PACKAGE)):
        value = settings.get(key)
        if isinstance(value, str) and "." in value and not value.startswith(own):
            asked.append((key, value))
    return asked
