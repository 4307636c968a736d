"""Tiny random cross-encoders, for tests that need a real model and not a good one."""

from pathlib import Path
from typing import Any

from tiny import make_tiny_model

from denseflow.contract import read_contract
from denseflow.cross_encoder import apply_pair_contract, new_cross_encoder, save_cross_encoder
from denseflow.encoder import load_encoder
from denseflow.manifest import write_manifest


def make_cross_encoder(folder: Path, *, seed: int = 0, contract: dict[str, Any] | None = None, **bert: Any) -> Path:
    """Write a tiny cross-encoder, an encoder with a new head, as the train stage does; return its manifest."""
    encoder = make_tiny_model(folder / "encoder", **bert)
    model, _ = new_cross_encoder(encoder, read_contract(load_encoder(encoder)), seed=seed)
    apply_pair_contract(model, contract or {})
    save_cross_encoder(model, folder / "model")
    files = [str(path.relative_to(folder)) for path in (folder / "model").rglob("*") if path.is_file()]
    write_manifest(folder, "train", files, kind="cross_encoder")
    return folder / "manifest.json"
