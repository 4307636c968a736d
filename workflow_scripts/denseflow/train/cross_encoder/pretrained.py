"""A pretrained cross-encoder, from an installed package, a folder or the hub, laid down as a trained one is."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder

from denseflow.cross_encoder import apply_pair_contract, load_cross_encoder, save_cross_encoder
from denseflow.encoder import replace_folder
from denseflow.train.pretrained import fetch, keep_bytes, record


def prepare_cross_encoder(
    source: Mapping[str, Any], contract: Mapping[str, Any], folder: Path, revisions: Path
) -> dict[str, Any]:
    """Write ``folder/model``, a sentence-transformers CrossEncoder folder, and ``folder/manifest.json``.

    Weights that are float32 safetensors already keep their bytes.

    Args:
        source: As for :func:`denseflow.train.pretrained.prepare`: a CrossEncoder folder, or a plain one for sequence
            classification with one label.
        contract: Fields of :class:`denseflow.cross_encoder.PairContract` to change.
        folder: Where the result goes.
        revisions: The JSON file in which the commits of models from the hub are recorded.

    Raises:
        DenseflowError: The source cannot be reached, is no cross-encoder, wants to run code that is not trusted, or
            does not go with the contract.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".model.") as temporary:
        files, result = Path(temporary) / "files", Path(temporary) / "result"
        model, facts = fetch(source, files, revisions, _load)
        whole = apply_pair_contract(model, contract)
        save_cross_encoder(model, result)
        keep_bytes(files, result)
        replace_folder(result, folder / "model")
    return record(folder, model, facts, whole, kind="cross_encoder")


def _load(files: Path, name: str, trust: bool) -> CrossEncoder:
    return load_cross_encoder(files, trust_remote_code=trust, name=name)
