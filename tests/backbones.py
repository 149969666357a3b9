"""ProtBert and ESM-2 as folders: the real vocabularies and configurations, at a width that a test can afford."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer, EsmConfig, EsmModel, EsmTokenizer

PROTBERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO"]
ESM2 = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHCWXBUZO", ".", "-", "<null_1>", "<mask>"]


def write_protbert(folder: Path, *, layers: int = 2, positions: int = 40_000) -> Path:
    """ProtBert's configuration at 32 channels, with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(PROTBERT) + "\n")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=positions, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0,
        initializer_range=0.2,  # large, so that two proteins differ by more than rounding
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(vocabulary), do_lower_case=False).save_pretrained(folder)
    return folder


def write_esm2(folder: Path, *, layers: int = 2) -> Path:
    """ESM-2's configuration at 40 channels, with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(ESM2))
    torch.manual_seed(0)
    config = EsmConfig(
        vocab_size=33, hidden_size=40, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=80,
        max_position_embeddings=1026, position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=1, mask_token_id=32,
        initializer_range=0.2,
    )  # fmt: skip
    EsmModel(config).save_pretrained(folder)
    EsmTokenizer(str(vocabulary)).save_pretrained(folder)
    return folder
