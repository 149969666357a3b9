"""How fast is prediction beside what others use? One backbone's shape, real lengths, interleaved in one run.

    python benchmarks/pipeline.py --fasta deeploc_data.fasta

- `transformers`: `pipeline("text-classification")` at its default settings, over a BERT or ESM-2 with its own head.
- `biotrainer`: its embedder at its default settings over the same ESM-2, where biotrainer is installed; it writes no
  classes, so it does less.
- `protloc`: `Predictor` at its default settings, from residues to rows of the table.

Weights are random: they do not change the speed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from throughput import CLASSES, architecture, protein_lengths
from transformers import (
    BertForSequenceClassification,
    BertTokenizer,
    EsmForSequenceClassification,
    EsmTokenizer,
    pipeline,
)
from transformers.utils import logging as hf_logging

from protloc.config import ModelConfig, Recipe
from protloc.data.records import Protein
from protloc.inference.predictor import Predictor
from protloc.model.build import build_model
from protloc.model.folder import load_model

LETTERS = "LAGVSERTIDPKQNFYMHWCXBUZO"
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
ESM = ["<cls>", "<pad>", "<eos>", "<unk>", *LETTERS, ".", "-", "<null_1>", "<mask>"]


def folders(root: Path, shape: str) -> tuple[Path, Path]:
    """A BERT or ESM-2 with transformers' head and tokenizer, and protloc's model on the same backbone."""
    theirs, ours = root / "theirs", root / "ours"
    theirs.mkdir()
    config = architecture(shape)
    config.num_labels = CLASSES
    esm = config.model_type == "esm"
    (theirs / "vocab.txt").write_text("\n".join(ESM if esm else BERT) + "\n")
    torch.manual_seed(0)
    (EsmForSequenceClassification if esm else BertForSequenceClassification)(config).save_pretrained(theirs)
    words = str(theirs / "vocab.txt")
    (EsmTokenizer(words) if esm else BertTokenizer(words, do_lower_case=False)).save_pretrained(theirs)
    options = ModelConfig(
        name=shape, name_or_path=str(theirs), spaces=not esm, unknown="" if esm else "UZOB", max_residues=39_998,
        pooling="mean", recipe=Recipe(epochs=1, batch_size=1, learning_rate=0.0, weight_decay=0.0),
    )  # fmt: skip
    model, tokenizer = build_model(options, [f"class {i}" for i in range(CLASSES)])
    model.save_pretrained(ours)
    tokenizer.save_pretrained(ours)
    return theirs, ours


def contestants(theirs: Path, ours: Path, sequences: list[str]) -> dict[str, Callable[[], object]]:
    """What is timed: all proteins, once."""
    classify = pipeline("text-classification", model=str(theirs))
    esm = classify.model.config.model_type == "esm"
    words = sequences if esm else [" ".join(sequence) for sequence in sequences]
    predictor = Predictor(load_model(ours))
    proteins = [Protein(str(i), sequence) for i, sequence in enumerate(sequences)]
    found: dict[str, Callable[[], object]] = {
        "transformers": lambda: classify(words),
        "protloc": lambda: list(predictor.predict(proteins)),
    }
    if not esm:
        print("biotrainer 1.4.0 fails on a BERT: left out")
        return found
    try:
        from biotrainer.embedders import get_embedding_service
    except ImportError:
        print("biotrainer is not installed: left out")
        return found
    service = get_embedding_service(str(theirs), None, use_half_precision=False, device=predictor.forward.device)
    return found | {"biotrainer": lambda: list(service.generate_embeddings(sequences, reduce=True))}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fasta", type=Path, help="proteins whose lengths are taken; drawn like DeepLoc's without it")
    parser.add_argument("--model", default="small", choices=("small", "protbert", "esm2_8m", "esm2_650m"))
    parser.add_argument("--max-length", type=int, help="residues of the longest protein; all that are longer are cut")
    parser.add_argument("--proteins", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown")
    options = parser.parse_args()
    hf_logging.set_verbosity_error()
    rng = np.random.default_rng(0)
    lengths = protein_lengths(options.fasta, options.proteins).clip(max=options.max_length)
    sequences = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=n)) for n in lengths]
    with tempfile.TemporaryDirectory() as root:
        timed = contestants(*folders(Path(root), options.model), sequences)
        speeds: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(options.rounds):
            for name, work in timed.items():
                began = time.perf_counter()
                work()
                speeds[name].append(lengths.sum() / (time.perf_counter() - began))
    medians = {name: statistics.median(of) for name, of in speeds.items()}
    print(f"{options.model}, {len(lengths)} proteins, longest {lengths.max():,} residues, {options.rounds} rounds")
    for name, speed in medians.items():
        print(f"  {name:14}{speed:12,.0f} residues/s   protloc is {medians['protloc'] / speed:.2f} ×")


if __name__ == "__main__":
    main()
