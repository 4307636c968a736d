"""What a tokenizer puts around each text, and on which side it pads: kept in the tokenizer's own files.

``tokenizer.json`` holds the frame of special tokens as its post-processor, which applies after the cut at the maximum
length: a text that is too long keeps its closing token.
"""

import logging
import tempfile
from typing import Any

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from denseflow.errors import DenseflowError

LOG = logging.getLogger("denseflow")


def has_special_token(tokenizer: Any, which: str) -> bool:
    """Whether each text begins with the tokenizer's ``bos`` token, or ends with its ``eos`` token."""
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return False
    frame = _frame(tokenizer)[0 if which == "bos" else 1]
    return bool(frame) and frame[0 if which == "bos" else -1] == getattr(tokenizer, f"{which}_token_id")


def put_special_token(tokenizer: Any, which: str, wanted: bool) -> None:
    """Put the tokenizer's ``bos`` token before each text, or its ``eos`` token behind it, or leave it out.

    Raises:
        DenseflowError: The tokenizer has no such token, or its files cannot keep the change.
    """
    if has_special_token(tokenizer, which) == wanted:
        return
    key = f"contract.add_{which}"
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or backend is None:
        raise DenseflowError(
            f"{key}: {str(wanted).lower()}, but {type(tokenizer).__name__} has no tokenizer.json to keep it in; leave "
            "the key out"
        )
    if getattr(tokenizer, f"{which}_token") is None:
        raise DenseflowError(f"{key}: true, but the tokenizer has no {which} token; leave the key out")
    head, tail = _frame(tokenizer)
    if which == "bos":
        head = [tokenizer.bos_token_id, *head] if wanted else head[1:]
    else:
        tail = [*tail, tokenizer.eos_token_id] if wanted else tail[:-1]
    before, after = tokenizer.convert_ids_to_tokens(head), tokenizer.convert_ids_to_tokens(tail)
    known = dict(zip([*before, *after], [*head, *tail], strict=True))
    backend.post_processor = TemplateProcessing(
        single=[*before, "$A", *after],
        pair=[*before, "$A", *after, "$B:1", *(f"{token}:1" for token in after)],
        special_tokens=list(known.items()),
    )
    _refuse_lost_frame(tokenizer, which, wanted)


def set_padding_side(tokenizer: Any, side: str) -> None:
    """Pad on the ``left`` or the ``right``.

    Raises:
        DenseflowError: There is no tokenizer to tell.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise DenseflowError(f"contract.padding_side: {side!r}, but the model's tokenizer does not pad; leave it out")
    tokenizer.padding_side = side
    tokenizer.init_kwargs["padding_side"] = side  # only what is in there is saved


def name_pad_token(tokenizer: Any) -> str:
    """Which token texts are padded with: ``unk`` or ``eos`` where it is one of these, else ``pad``."""
    token = getattr(tokenizer, "pad_token", None)
    return next((name for name in ("unk", "eos") if token is not None and token == _token(tokenizer, name)), "pad")


def set_pad_token(tokenizer: Any, name: str) -> None:
    """Pad with the tokenizer's ``unk`` or ``eos`` token, or with the ``pad`` token that it has of its own.

    Raises:
        DenseflowError: It has no such token.
    """
    if name == name_pad_token(tokenizer):
        return
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or name == "pad" or _token(tokenizer, name) is None:
        raise DenseflowError(f"contract.pad_token: {name!r}, but the tokenizer has no such token; leave the key out")
    tokenizer.pad_token = _token(tokenizer, name)


def give_padding_token(tokenizer: Any, name: str) -> None:
    """Let a tokenizer without a padding token, as many language models have, pad with its eos token.

    Padding is masked, so that any token does.

    Args:
        tokenizer: Of a side of the encoder.
        name: What the model is called in the log and in an error.

    Raises:
        DenseflowError: It has no eos token either.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or tokenizer.pad_token is not None:
        return
    if tokenizer.eos_token is None:
        raise DenseflowError(
            f"{name}: its tokenizer has neither a padding token nor an eos token, so that no batch can be made; name "
            "one as pad_token in its tokenizer_config.json"
        )
    tokenizer.pad_token = tokenizer.eos_token
    LOG.info(
        "%s: its tokenizer has no padding token; texts are padded with its eos token %r", name, tokenizer.eos_token
    )


def _token(tokenizer: Any, name: str) -> str | None:
    return getattr(tokenizer, f"{name}_token", None)


def _refuse_lost_frame(tokenizer: PreTrainedTokenizerBase, which: str, wanted: bool) -> None:
    """Refuse a tokenizer whose class makes its own frame when it is loaded, whatever its files say, as RoBERTa's."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        kept = type(tokenizer).from_pretrained(folder, local_files_only=True)
    if has_special_token(kept, which) != wanted:
        raise DenseflowError(
            f"contract.add_{which}: {str(wanted).lower()}, but {type(tokenizer).__name__} sets its special tokens "
            "itself whenever it is loaded; leave the key out"
        )


def _frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The ids of the special tokens before and behind each text."""
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, mask = encoded["input_ids"], encoded["special_tokens_mask"]
    if 0 not in mask:  # the tokenizer knows no "a"
        return ids, []
    return ids[: mask.index(0)], ids[len(mask) - mask[::-1].index(0) :]
