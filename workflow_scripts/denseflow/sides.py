"""The two sides of an encoder: what queries pass through, and what passages pass through.

A shared encoder has the same modules on both sides. Separate encoders are the routes ``query`` and ``document`` of
sentence-transformers' Router, so that ``encode_query`` and ``encode_document`` find their way by themselves.
"""

from typing import Any, Literal, cast

from sentence_transformers.base.modules import Router, Transformer
from torch.nn import Module, Sequential

Kind = Literal["query", "passage"]
KINDS: tuple[Kind, Kind] = ("query", "passage")
TASKS = {"query": "query", "passage": "document"}
"""sentence-transformers' word for each of our kinds; its Router's routes have the same names."""


def modules_of(model: Module, kind: Kind) -> list[Module]:
    """The modules that the texts of a kind pass through, in order."""
    found: list[Module] = []
    for module in model.children():
        found += _routes(module)[TASKS[kind]].children() if isinstance(module, Router) else [module]
    return found


def containers(model: Sequential) -> list[Sequential]:
    """The sequences of modules that an encoder consists of: its own, then those of its routes."""
    return [model, *(route for module in model if isinstance(module, Router) for route in _routes(module).values())]


def find_module(model: Module, wanted: type, kind: Kind = "passage") -> Any:
    """The first module of type ``wanted`` on a side of an encoder, or None."""
    return next((module for module in modules_of(model, kind) if isinstance(module, wanted)), None)


def find_transformers(model: Module) -> list[Transformer]:
    """The transformers of both sides, a shared one once."""
    found = [find_module(model, Transformer, kind) for kind in KINDS]
    return list(dict.fromkeys(module for module in found if module is not None))


def find_tokenizer(model: Module, kind: Kind) -> Any:
    """The tokenizer of a side, transformers' or tokenizers', or None."""
    return getattr(modules_of(model, kind)[0], "tokenizer", None)


def is_separate(model: Module) -> bool:
    """Whether queries and passages have encoders of their own."""
    return any(isinstance(module, Router) for module in model.children())


def _routes(router: Router) -> dict[str, Sequential]:
    return cast(dict[str, Sequential], dict(router.sub_modules.items()))
