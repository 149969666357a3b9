"""The demo data: real proteins from a package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from protloc.config import DemoData
from protloc.data.corpus import load_corpus
from protloc.data.demo import SPLITS
from protloc.data.fasta import read_fasta
from protloc.data.records import Protein
from protloc.tasks.multilabel import Multilabel
from tests import forked

pytest.importorskip("scldata", reason="needs the extra [demo]")


def test_all_proteins_in_the_package_s_own_splits(tmp_path: Path) -> None:
    corpus = load_corpus(DemoData(cache_dir=str(tmp_path)))
    assert {name: corpus.counts[name] for name in SPLITS} == {"train": 15_183, "validation": 1_260, "test": 2_631}
    assert corpus.task.names == (
        "Cell projection", "Centrosome", "Cytoplasm", "Cytoskeleton", "ER", "Membrane", "Microtubule organizing center",
        "Mitochondrion", "Nucleus", "Peroxisome", "Plastid", "Secreted",
    )  # fmt: skip
    assert isinstance(corpus.task, Multilabel)
    ids = [*corpus.train["id"], *corpus.validation["id"], *(corpus.test or corpus.train)["id"]]
    assert len(set(ids)) == 19_074


def test_labels_that_are_kept_whole(tmp_path: Path) -> None:
    corpus = load_corpus(DemoData(cache_dir=str(tmp_path), label_separator="none"))
    assert len(corpus.task.labels) == 13
    assert corpus.task.name == "single"


def test_the_test_split_as_fasta(tmp_path: Path) -> None:
    path = tmp_path / "new" / "test.fasta"
    forked.run([sys.executable, "-m", "protloc.data.demo", "test", str(path)], check=True)
    proteins = [record for record in read_fasta(str(path)) if isinstance(record, Protein)]
    assert len(proteins) == 2_631
    corpus = load_corpus(DemoData(cache_dir=str(tmp_path / "cache")))
    assert corpus.test is not None
    assert [p.sequence for p in proteins] == corpus.test["sequence"][:]
    assert [p.description.replace(";", "|") for p in proteins] == corpus.test["location"][:]


def test_wrong_arguments_show_the_usage() -> None:
    result = forked.run([sys.executable, "-m", "protloc.data.demo", "tset"], capture_output=True)
    assert result.returncode == 1
    assert result.stderr == "usage: python -m protloc.data.demo train|validation|test OUT.fasta\n"
