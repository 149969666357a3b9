"""The `data` group: which proteins."""

from __future__ import annotations

from dataclasses import dataclass

from protloc.config.option import MISSING, option


@dataclass
class DataConfig:
    """What every data set takes."""

    limit: int | None = option(None, "take the first N proteins of each split, stratified by class; null: all", least=1)
    validation_share: float = option(
        0.1, "share of the training proteins held out, stratified, where the data has no validation split",
        least=0.01, most=0.5,
    )  # fmt: skip
    split_seed: int = option(
        0, "seed of that split; apart from `seed`, so that seeds are compared on the same proteins"
    )
    on_error: str = option("stop", "a broken record stops the run, or is skipped and counted", choices=("stop", "skip"))
    cache_dir: str | None = option(None, "where parsed and downloaded data are kept; null: ~/.cache/protloc")


@dataclass
class DemoData(DataConfig):
    """SCL2205: real proteins in 13 classes with homology-reduced splits, from the package p-scldata."""


@dataclass
class DeepLocData(DataConfig):
    """DeepLoc 1.0's FASTA: headers `>ACC Location-S|M|U [test]`."""

    validation_share: float = option(
        0.05, "share of the training proteins held out, stratified: some 600, enough to choose the epoch by",
        least=0.01, most=0.5,
    )  # fmt: skip
    path: str | None = option(None, "the FASTA file, plain or gz; null: download it")
    url: str = option(MISSING, "where it is downloaded from")
    dual_labels: str = option(
        "drop", "what becomes of a protein with two locations (`Cytoplasm-Nucleus`): drop it, keep the first, or stop",
        choices=("drop", "first", "error"),
    )  # fmt: skip


@dataclass
class FastaData(DataConfig):
    """Your own FASTA files, one a split."""

    train: str = option(MISSING, "training proteins: FASTA, plain or gz")
    validation: str | None = option(None, "validation proteins; null: a share of the training proteins")
    test: str | None = option(None, "test proteins, read once, at the end; null: none")
    label_pattern: str = option(
        r"(?P<label>\S+)\s*$",
        "regular expression with a group `label`, searched in the whole header; the default takes the last word",
    )
    unlabelled: str = option(
        "error", "a protein without a location stops the run, or is skipped and counted", choices=("error", "skip")
    )


@dataclass
class CsvData(DataConfig):
    """Your own CSV, TSV or Parquet files with named columns."""

    train: str = option(MISSING, "training proteins: .csv, .tsv (plain or gz) or .parquet")
    validation: str | None = option(None, "validation proteins; null: a share of the training proteins")
    test: str | None = option(None, "test proteins, read once, at the end; null: none")
    id_column: str = option("id", "column with the protein's name")
    sequence_column: str = option("sequence", "column with its residues")
    label_column: str = option("location", "column with its location")
    unlabelled: str = option(
        "error", "a protein without a location stops the run, or is skipped and counted", choices=("error", "skip")
    )
    split_column: str | None = option(
        None, "column of `train` that says train, validation or test; null: the files are the splits"
    )
