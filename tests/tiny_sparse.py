"""Tiny random sparse encoders: a BERT with its head for masked words, whose terms are its vocabulary."""

import shutil
from pathlib import Path

import torch
from tiny import make_tiny_bert
from transformers import BertConfig, BertForMaskedLM

from denseflow.train.sparse_encoder.pretrained import prepare_sparse_encoder


def make_tiny_mlm(folder: Path, *, seed: int = 0, **bert: float) -> Path:
    """Write a random masked language model as a plain Hugging Face folder, and return the folder.

    Its output's bias is below 0, so that most terms of a text weigh nothing. ``bert`` takes the options of
    :func:`tiny.make_tiny_bert`.
    """
    make_tiny_bert(folder, **bert)  # for its tokenizer and its settings
    (folder / "model.safetensors").unlink()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForMaskedLM(BertConfig.from_pretrained(folder))
    model.cls.predictions.bias.data.fill_(-4.0)
    model.save_pretrained(folder)
    return folder


def make_sparse_base(folder: Path, **options: float) -> Path:
    """Write a tiny sparse encoder as the train stage does, and return its manifest."""
    plain = make_tiny_mlm(folder.with_name(f"{folder.name}.mlm"), **options)
    prepare_sparse_encoder({"path": str(plain)}, {}, folder, folder / "revisions.json")
    shutil.rmtree(plain)
    return folder / "manifest.json"
