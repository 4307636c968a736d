"""Denseflow: what fine-tuning changed in a dense retriever, reproducibly."""

__version__ = "0.1.0"
