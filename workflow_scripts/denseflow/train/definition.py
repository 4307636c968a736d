"""What defines a training: all that its weights depend on."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from denseflow.files import sha256

PACKAGES = ("torch", "transformers", "sentence-transformers")


def digests(**files: Path | None) -> dict[str, str]:
    """The SHA-256 of each file by its name, for the definition and the manifest; a None is left out."""
    return {name: sha256(path) for name, path in files.items() if path is not None}


def definition(
    recipe: dict[str, Any],
    *,
    contract: dict[str, Any],
    seed: int,
    precision: str,
    device: str,
    inputs: dict[str, str],
    code: str,
) -> dict[str, Any]:
    """What keys a training's checkpoints, so that only the very same training resumes them.

    Args:
        recipe: The recipe.
        contract: The whole contract, as plain values.
        seed: The seed.
        precision: In which the training computes.
        device: torch's name of the device; its type counts.
        inputs: What :func:`digests` gives of all files that are read.
        code: The fingerprint of the code.
    """
    return {
        "recipe": recipe,
        "contract": contract,
        "seed": seed,
        "precision": precision,
        "device": torch.device(device).type,
        "inputs": inputs,
        "code": code,
        "versions": {package: version(package) for package in (*PACKAGES, "peft")},
    }
