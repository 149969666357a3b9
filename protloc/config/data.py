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
    label_separator: str = option(
        "|", "what stands between the places of one protein in its label; none: a label is one class, whatever it holds"
    )
    on_error: str = option("stop", "a broken record stops the run, or is skipped and counted", choices=("stop", "skip"))
    cache_dir: str | None = option(None, "where parsed and downloaded data are kept; null: ~/.cache/protloc")


@dataclass
class DemoData(DataConfig):
    """SCL2205 from the package p-scldata: real proteins in several of 12 places, with homology-reduced splits."""

    label_separator: str = option(
        ";", "what stands between the places of one protein; none: 13 classes, 4 of them joined"
    )


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
        "drop", "what becomes of a protein with two locations (`Cytoplasm-Nucleus`): drop it, keep the first, keep "
        "both (several labels), or stop", choices=("drop", "first", "both", "error"),
    )  # fmt: skip


@dataclass
class DeepLoc2Data(DataConfig):
    """DeepLoc 2.0's table: ten places as columns, the membrane, five homology-reduced partitions."""

    path: str | None = option(None, "the CSV file, plain or gz; null: download it")
    url: str = option(MISSING, "where it is downloaded from")
    fold: int = option(
        4, "the partition that is held out as the test; -m data.fold=0,1,2,3,4 takes each in turn", least=0
    )


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
