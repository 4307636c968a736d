"""Weights as safetensors: pickled ones are read without running what is in them, and written anew."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from denseflow.errors import DenseflowError
from denseflow.files import atomic_path
from denseflow.train.model_files import PICKLE


def convert_pickles(folder: Path, name: str) -> list[str]:
    """Turn each pytorch_model.bin below ``folder``, in one file or several, into a model.safetensors beside it.

    The pickles are removed.

    Args:
        folder: The model's files.
        name: What the model is called in an error.

    Returns:
        The pickles that were converted, relative to ``folder``.

    Raises:
        DenseflowError: A pickle holds something else than weights, or is broken.
    """
    pickles = sorted(path for path in folder.rglob("*.bin") if PICKLE.fullmatch(path.name))
    for parent in sorted({path.parent for path in pickles}):
        tensors: dict[str, torch.Tensor] = {}
        for path in (path for path in pickles if path.parent == parent):
            tensors |= read_pickle(path, f"{name}: {path.relative_to(folder)}")
            path.unlink()
        (parent / "pytorch_model.bin.index.json").unlink(missing_ok=True)
        with atomic_path(parent / "model.safetensors") as temporary:
            save_file(tensors, temporary, metadata={"format": "pt"})
    return [path.relative_to(folder).as_posix() for path in pickles]


def is_float32(path: Path) -> bool:
    """Whether all floating-point weights of a safetensors file are float32.

    Raises:
        DenseflowError: The file is broken.
    """
    try:
        with safe_open(path, framework="pt") as file:
            types = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118  (it is no dict)
    except SafetensorError as error:
        raise DenseflowError(f"{path}: no whole safetensors file ({error}); fetch the model again") from None
    return not any(kind.startswith(("F", "BF")) and kind != "F32" for kind in types)


def read_pickle(path: Path, name: str) -> dict[str, torch.Tensor]:
    """The weights in a pickle, read without running what is in it.

    Raises:
        DenseflowError: With ``name``: it holds something else than weights, or is broken.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DenseflowError(
            f"{name} is a pickle that holds more than weights, and such a pickle can run any code; it was not loaded "
            f"({str(error).splitlines()[0]}). Use a model whose weights are safetensors"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DenseflowError(f"{name}: no whole file of weights ({error}); fetch the model again") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise DenseflowError(f"{name}: holds {type(state).__name__}, expected weights by name; use safetensors")
    # Weights that share memory cannot be written as safetensors.
    return {key: value.detach().clone().contiguous() for key, value in state.items()}
