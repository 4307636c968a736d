"""Low-rank adapters: linear layers whose weights stay, and which learn an update of low rank (Hu et al., 2021).

LoRA, https://arxiv.org/abs/2106.09685: W becomes W + (alpha / rank) B A, where A is [rank, in] and random, B is
[out, rank] and 0 at first. peft's layers are put into the transformer in place.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from denseflow.errors import DenseflowError
from denseflow.files import write_json


def add_adapters(transformers: dict[str, nn.Module], options: dict[str, Any], seed: int) -> dict[str, nn.Module]:
    """Add adapters in place, freeze all else, and return peft's models around the transformers.

    Args:
        transformers: transformers' models by name.
        options: ``rank``, ``alpha``, ``dropout``, and ``targets``, where not all linear layers get one.
        seed: Of A.

    Raises:
        DenseflowError: A target is no linear layer.
    """
    adapted: dict[str, nn.Module] = {}
    with torch.random.fork_rng(devices=[]):  # peft draws the first weights on the CPU
        torch.manual_seed(seed)
        for name, transformer in transformers.items():
            config = LoraConfig(
                r=options["rank"],
                lora_alpha=options["alpha"],
                lora_dropout=options["dropout"],
                target_modules=_targets(transformer, options.get("targets")),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft calls transformers by a name of before
                adapted[name] = get_peft_model(transformer, config)  # type: ignore[arg-type]
    return adapted


def merge_adapters(model: nn.Module) -> None:
    """Add each adapter's update to the weights that it adapts, and put the plain layer in its place."""
    adapted = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)]
    for name, layer in adapted:
        layer.merge()
        model.set_submodule(name, layer.get_base_layer())


def write_adapter(adapted: Any, folder: Path) -> None:
    """Write what ``PeftModel.from_pretrained(base, folder)`` reads, without the paths that peft would keep in it."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in get_peft_model_state_dict(adapted).items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = adapted.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": None, "inference_mode": True}
    write_json(folder / "adapter_config.json", {key: _sorted(value) for key, value in config.items()})


def _targets(transformer: nn.Module, wanted: Sequence[str] | None) -> list[str]:
    """The full names of the linear layers to adapt."""
    linear = [name for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear | Conv1D)]
    if wanted is None:
        return linear
    chosen = set()
    for target in wanted:
        matching = [name for name in linear if f".{name}".endswith(f".{target}")]
        if not matching:
            names = sorted({name.split(".")[-1] for name in linear})
            raise DenseflowError(
                f"recipe.lora.targets: {target!r} is no linear layer of the model; expected some of "
                f"{', '.join(names)}, or longer names such as {linear[0]}"
            )
        chosen.update(matching)
    return sorted(chosen)


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
