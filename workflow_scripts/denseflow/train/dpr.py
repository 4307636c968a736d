"""The folders of DPR's own encoders (model type ``dpr``), laid out as what they are: a BERT whose [CLS] vector counts.

transformers would load either of them as a question encoder, and a passage encoder's weights would be random then.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from denseflow.errors import DenseflowError
from denseflow.files import write_json

MODEL_TYPE = "dpr"
ENCODERS = ("question_encoder", "ctx_encoder")
_UNUSED = ("pooler.", "embeddings.position_ids")  # kept in some files; the vector is the [CLS] token's own


def convert_dpr(folder: Path, name: str) -> None:
    """Turn a folder of DPR's question or passage encoder into a sentence-transformers folder, in place.

    What is left is the BERT, pooling by the first token, the linear layer behind it where ``projection_dim`` is not 0,
    and the dot product (Karpukhin et al. 2020, https://arxiv.org/abs/2004.04906). Any other folder stays as it is.

    Args:
        folder: The model's files; weights as safetensors.
        name: What the model is called in an error.

    Raises:
        DenseflowError: The folder holds no encoder of DPR's, such as its reader, or is not whole.
    """
    path = folder / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if config.get("model_type") != MODEL_TYPE or (folder / "modules.json").is_file():
        return
    weights = _read(folder / "model.safetensors", name)
    bert = {key.removeprefix("bert_model."): value for key, value in weights.items() if key.startswith("bert_model.")}
    used = {key: value.contiguous() for key, value in bert.items() if not key.startswith(_UNUSED)}
    save_file(used, folder / "model.safetensors", metadata={"format": "pt"})
    projection = int(config.pop("projection_dim", 0))
    write_json(path, {**config, "model_type": "bert", "architectures": ["BertModel"]})
    modules: list[Pooling | Dense] = [Pooling(config["hidden_size"], "cls")]
    if projection:
        modules.append(_projection(weights, config["hidden_size"], projection, name))
    entries = [_entry(0, "", Transformer)]
    for number, module in enumerate(modules, 1):
        place = f"{number}_{type(module).__name__}"
        (folder / place).mkdir()
        module.save(str(folder / place))
        entries.append(_entry(number, place, type(module)))
    write_json(folder / "modules.json", entries)
    write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "dot"})


def _entry(number: int, place: str, kind: type) -> dict[str, Any]:
    """A module's line in modules.json."""
    return {"idx": number, "name": str(number), "path": place, "type": f"{kind.__module__}.{kind.__name__}"}


def _projection(weights: Mapping[str, torch.Tensor], width: int, size: int, name: str) -> Dense:
    """The linear layer behind the [CLS] vector."""
    dense = Dense(width, size, activation_function=torch.nn.Identity())
    try:
        dense.linear.load_state_dict({key: weights[f"encode_proj.{key}"] for key in ("weight", "bias")})
    except (KeyError, RuntimeError) as error:
        raise DenseflowError(
            f"{name}: its config.json says projection_dim: {size}, but its files hold no such layer ({error}); fetch "
            "the model again"
        ) from None
    return dense


def _read(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The weights of the one encoder in a file, by their names within it."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DenseflowError(f"{name}: no whole {path.name} ({error}); fetch the model again") from None
    found = sorted({key.partition(".")[0] for key in weights})
    if len(found) != 1 or found[0] not in ENCODERS:
        raise DenseflowError(
            f"{name}: a DPR folder that holds {', '.join(found) or 'nothing'}, expected {' or '.join(ENCODERS)}; name "
            "the model of the question encoder as the source and that of the passage encoder as `passage`"
        )
    return {key.partition(".")[2]: value for key, value in weights.items()}
