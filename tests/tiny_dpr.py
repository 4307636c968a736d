"""Random models of DPR's own kind, as the hub has them."""

from pathlib import Path

import torch
from tiny import VOCABULARY
from transformers import BertTokenizerFast, DPRConfig, DPRContextEncoder, DPRQuestionEncoder, DPRReader

CLASSES = {"question": DPRQuestionEncoder, "passage": DPRContextEncoder, "reader": DPRReader}


def make_dpr(folder: Path, kind: str, projection: int = 0, seed: int = 0) -> Path:
    """Write a question encoder, a passage encoder or a reader, and return the folder."""
    config = DPRConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        projection_dim=projection,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        CLASSES[kind](config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    return folder
