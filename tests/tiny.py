"""A tiny random BERT encoder, made in well under a second, for tests that need a real model and not a good one."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

WORDS = (
    "a about and are as at by can did do does effect for from has have how in is it of on or that the their to what "
    "which who why with study health disease cancer heart diet food fruit meat milk fish vitamin patients women men "
    "risk blood cell protein function array matrix return value query passage title"
)
CHARACTERS = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
VOCABULARY += [word for word in dict.fromkeys(WORDS.split()) if word not in VOCABULARY]


def make_tiny_bert(
    folder: Path, *, layers: int = 2, width: int = 32, positions: int = 128, dropout: float = 0.1, seed: int = 0
) -> Path:
    """Write a random BERT as a plain Hugging Face folder (no modules.json, no pooler), and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=positions,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.5,  # far from the usual 0.02, so that different texts have clearly different vectors
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(vocabulary), do_lower_case=True, model_max_length=positions)
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_llama(folder: Path, *, padding_side: str = "right", width: int = 32) -> Path:
    """Write a random Llama as a language model's folder, without a padding token, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["<unk>", "<s>", "</s>", *VOCABULARY[5:]]
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    backend = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.normalizer, backend.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side=padding_side,
        chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
    )
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_model(folder: Path, *, pooling: str = "mean", normalize: bool = True, **bert: float) -> Path:
    """Write a random BERT with ``pooling`` as a sentence-transformers folder, and return the folder.

    ``bert`` takes the options of :func:`make_tiny_bert`.
    """
    plain = make_tiny_bert(folder.with_name(f"{folder.name}.bert"), **bert)
    transformer = Transformer(str(plain), model_kwargs={"add_pooling_layer": False})
    modules: list[torch.nn.Module] = [transformer, Pooling(transformer.get_embedding_dimension(), pooling)]
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder
