"""Own files to a corpus: splits, classes, counts, and what is refused before any training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protloc.config import CsvData, FastaData
from protloc.data.answers import columns
from protloc.data.corpus import load_corpus
from protloc.errors import UserError
from protloc.tasks.labels import RESERVED, LabelSpace
from tests.models import SEVERAL


def fasta(folder: Path, records: list[tuple[str, str]], name: str = "train.fasta") -> str:
    """Write `(header, sequence)` pairs."""
    path = folder / name
    path.write_text("".join(f">{header}\n{sequence}\n" for header, sequence in records))
    return str(path)


def records(prefix: str, classes: dict[str, int]) -> list[tuple[str, str]]:
    """That many proteins of each class, no two with one sequence."""
    names = [name for name, count in classes.items() for _ in range(count)]
    return [
        (f"{prefix}{i} {name}", f"M{'ACDEFGHIKL'[i % 10]}{'W' * (i + len(prefix))}") for i, name in enumerate(names)
    ]


def options(folder: Path, train: str, **changes: object) -> FastaData:
    return FastaData(train=train, cache_dir=str(folder / "cache"), **changes)  # type: ignore[arg-type]


def test_splits_classes_and_counts(tmp_path: Path) -> None:
    train = fasta(tmp_path, [*records("a", {"Nucleus": 10, "Golgi": 5}), ("low Golgi", "mkv"), ("stop Golgi", "MKR*")])
    test = fasta(tmp_path, [("t1 Golgi", "MA"), ("t2 Nucleus", "MKV")], "test.fasta")
    corpus = load_corpus(options(tmp_path, train, test=test))
    assert corpus.task.names == ("Golgi", "Nucleus")
    assert corpus.test is not None
    assert corpus.test["id"][:] == ["t1", "t2"]
    assert corpus.test["label"][:] == [0, 1]
    assert corpus.test["length"][:] == [2, 3]
    assert corpus.counts == {
        "train": 15, "validation": 2, "test": 2, "lower_case_folded": 1, "stop_codon_removed": 1,
        "sequences_of_test_in_train": 1,
    }  # fmt: skip
    together = [*corpus.train["id"], *corpus.validation["id"]]
    assert sorted(together) == sorted([*(f"a{i}" for i in range(15)), "low", "stop"])
    assert set(corpus.train["id"]).isdisjoint(corpus.validation["id"])


def test_the_same_files_give_the_same_corpus_and_changed_ones_do_not(tmp_path: Path) -> None:
    given = records("a", {"Nucleus": 10, "Golgi": 10})
    first = load_corpus(options(tmp_path, fasta(tmp_path, given)))
    again = load_corpus(options(tmp_path, fasta(tmp_path, given)))
    assert again.fingerprint == first.fingerprint
    assert again.validation["id"][:] == first.validation["id"][:]
    given[3] = (given[3][0], "MKVVVV")
    changed = load_corpus(options(tmp_path, fasta(tmp_path, given)))
    assert changed.fingerprint != first.fingerprint
    assert "MKVVVV" in [*changed.train["sequence"], *changed.validation["sequence"]]


def test_another_split_seed_holds_out_others(tmp_path: Path) -> None:
    train = fasta(tmp_path, records("a", {"Nucleus": 30, "Golgi": 30}))
    held = [load_corpus(options(tmp_path, train, split_seed=seed)).validation["id"][:] for seed in (0, 1)]
    assert len(held[0]) == len(held[1]) == 6
    assert held[0] != held[1]


def test_limit_is_counted(tmp_path: Path) -> None:
    train = fasta(tmp_path, records("a", {"Nucleus": 20, "Golgi": 20}))
    corpus = load_corpus(options(tmp_path, train, limit=10))
    assert corpus.counts == {"train": 10, "validation": 4, "left_out_by_limit": 26}
    assert sorted(corpus.train["location"]) == ["Golgi"] * 5 + ["Nucleus"] * 5
    assert corpus.notes == ["26 proteins left out by data.limit=10"]


def test_rows_are_memory_mapped(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, fasta(tmp_path, records("a", {"Nucleus": 10, "Golgi": 10}))))
    assert corpus.train.cache_files
    assert all(str(tmp_path / "cache") in file["filename"] for file in corpus.train.cache_files)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [*records("a", {"Nucleus": 5}), ("x", "MK")],
            r"{train}:11: x: no location: data.label_pattern=(?P<label>\S+)\s*$ finds none in 'x' "
            "(data.unlabelled=skip goes on without)",
        ),
        (
            [*records("a", {"Nucleus": 5}), ("dna Nucleus", "ACGT" * 9)],
            "{train}:11: dna: looks like nucleotides; translate it (data.on_error=skip goes on without)",
        ),
        (
            [*records("a", {"Nucleus": 5}), ("a0 Nucleus", "MK")],
            "{train}:11: a0: the id has been there before (data.on_error=skip goes on without)",
        ),
        (
            records("a", {"Nucleus": 5, "Golgi": 1}),
            "{train}: class 'Golgi' has 1 training protein; each class needs 2 or more: add proteins, or take the "
            "class out",
        ),
        (
            records("a", {"Nucleus": 2, "Golgi": 2}),
            "{train}: no class has the 3 training proteins that it takes to hold one out for validation: add proteins",
        ),
        (
            records("a", {"Nucleus": 5}),
            "{train}: one class only, 'Nucleus'; a classifier needs 2 or more "
            r"(data.label_pattern=(?P<label>\S+)\s*$ finds it everywhere)",
        ),
        (
            records("a", {"Nucleus": 5, "length": 5}),
            "{train}: class 'length' is named like a column of the predictions: rename it",
        ),
    ],
)
def test_training_proteins_that_cannot_be_used(tmp_path: Path, given: list[tuple[str, str]], message: str) -> None:
    train = fasta(tmp_path, given)
    with pytest.raises(UserError) as caught:
        load_corpus(options(tmp_path, train))
    assert str(caught.value) == message.replace("{train}", train)


def test_a_location_that_training_lacks(tmp_path: Path) -> None:
    train = fasta(tmp_path, records("a", {"Nucleus": 10, "Golgi": 10}))
    test = fasta(tmp_path, [("t1 Golgi", "MA"), ("t2 Nucleu", "MKV")], "test.fasta")
    with pytest.raises(UserError) as caught:
        load_corpus(options(tmp_path, train, test=test))
    assert str(caught.value) == f"{test}:3: t2: location 'Nucleu' is no class of the training proteins"


def test_an_id_in_two_splits(tmp_path: Path) -> None:
    train = fasta(tmp_path, records("a", {"Nucleus": 10, "Golgi": 10}))
    test = fasta(tmp_path, [("a3 Golgi", "MA")], "test.fasta")
    with pytest.raises(UserError) as caught:
        load_corpus(options(tmp_path, train, test=test))
    assert str(caught.value) == f"{test}:1: a3: the id is also in {train}"


def test_many_broken_records_are_listed_by_the_first_ten(tmp_path: Path) -> None:
    train = fasta(tmp_path, [(f"p{i} Nucleus", "MK1") for i in range(13)])
    with pytest.raises(UserError) as caught:
        load_corpus(options(tmp_path, train))
    first, *listed, last, hint = str(caught.value).splitlines()
    assert first == f"{train}: 13 broken records"
    assert len(listed) == 10
    assert listed[9].startswith(f"  {train}:19: p9: '1' at residue 3 is no amino acid")
    assert last == "  ... and 3 more"
    assert hint == "  (data.on_error=skip goes on without)"


def test_broken_and_unlabelled_records_are_skipped_and_counted(tmp_path: Path) -> None:
    given = [*records("a", {"Nucleus": 5, "Golgi": 5}), ("x Golgi", "MK1"), ("bare", "MKV"), ("a0 Golgi", "MKVV")]
    train = fasta(tmp_path, given)
    test = fasta(tmp_path, [("t1 Golgi", "MA"), ("t2 Golgi", "M-")], "test.fasta")
    for _ in range(2):  # the second time from the cache
        corpus = load_corpus(options(tmp_path, train, test=test, on_error="skip", unlabelled="skip"))
        assert corpus.counts == {
            "train": 8, "validation": 2, "test": 1, "skipped_broken": 3, "skipped_unlabelled": 1,
        }  # fmt: skip
        assert corpus.notes[:3] == [
            f"2 broken records skipped, the first is {train}:21: x: '1' at residue 3 is no amino acid (allowed: "
            "ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)",
            f"1 unlabelled record skipped, the first is {train}:23: bare: no location: "
            r"data.label_pattern=(?P<label>\S+)\s*$ finds none in 'bare'",
            f"1 broken record skipped, the first is {test}:3: t2: '-' at residue 2 is no amino acid (allowed: "
            "ACDEFGHIKLMNPQRSTVWYUZOBXJ, and * at the end)",
        ]
    assert sorted([*corpus.train["id"], *corpus.validation["id"]]) == sorted(f"a{i}" for i in range(10))
    for changes, line in (
        ({"on_error": "skip"}, "bare: no location"), ({"unlabelled": "skip"}, "2 broken records"),
        ({}, "3 broken or unlabelled records"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=line):
            load_corpus(options(tmp_path, train, test=test, **changes))


def test_a_table_with_broken_and_unlabelled_rows(tmp_path: Path) -> None:
    rows = [f"p{i},{'MK' * (i + 1)},{'AB'[i % 2]}" for i in range(10)]
    path = table(tmp_path, ["id,sequence,location", *rows, "q,MKV,", "r,MKV", "s,M1,A"])
    corpus = load_corpus(CsvData(train=path, cache_dir=str(tmp_path), on_error="skip", unlabelled="skip"))
    assert corpus.counts == {"train": 8, "validation": 2, "skipped_broken": 2, "skipped_unlabelled": 1}


def test_nothing_but_broken_records(tmp_path: Path) -> None:
    train = fasta(tmp_path, [("x Golgi", "MK1"), ("y Nucleus", "MK1")])
    with pytest.raises(UserError, match="no train proteins"):
        load_corpus(options(tmp_path, train, on_error="skip"))


def test_a_broken_file_leaves_no_cache(tmp_path: Path) -> None:
    train = fasta(tmp_path, [*records("a", {"Nucleus": 5, "Golgi": 5}), ("x Golgi", "MK1")])
    for _ in range(2):
        with pytest.raises(UserError, match="x: '1' at residue 3"):
            load_corpus(options(tmp_path, train))
    assert list((tmp_path / "cache").rglob("*.arrow")) == []


def table(folder: Path, rows: list[str], name: str = "p.csv") -> str:
    path = folder / name
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_a_table_with_a_split_column(tmp_path: Path) -> None:
    splits = ["train"] * 4 + ["val", "Validation", "test", "TEST"]
    rows = [f"p{i},{'MK' * (i + 1)},{'AB'[i % 2]},{split}" for i, split in enumerate(splits)]
    path = table(tmp_path, ["name,seq,where,part", *rows])
    corpus = load_corpus(
        CsvData(
            train=path,
            id_column="name",
            sequence_column="seq",
            label_column="where",
            split_column="part",
            cache_dir=str(tmp_path / "cache"),
        )
    )
    assert corpus.train["id"][:] == ["p0", "p1", "p2", "p3"]
    assert corpus.validation["id"][:] == ["p4", "p5"]
    assert corpus.test is not None
    assert corpus.test["id"][:] == ["p6", "p7"]


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (["id,sequence,location", "a,MK,"], {}, "{path}:2: a: no location in column 'location'"),
        (["id,sequence,locaton", "a,MK,A"], {}, "{path}: no column 'location'; did you mean 'locaton'?"),
        (
            ["id,sequence,location,s", "a,MK,A,tst"],
            {"split_column": "s"},
            "{path}:2: a: 'tst' in column 's' is not train, validation or test",
        ),
        (["id,sequence,location,s", "a,MK,A,test"], {"split_column": "s"}, "{path}: column 's' names no train row"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, rows: list[str], changes: dict[str, str], message: str) -> None:
    path = table(tmp_path, rows)
    with pytest.raises(UserError, match="^" + re.escape(message.format(path=path))):
        load_corpus(CsvData(train=path, cache_dir=str(tmp_path / "cache"), **changes))  # type: ignore[arg-type]


def test_a_fasta_file_is_no_table(tmp_path: Path) -> None:
    path = fasta(tmp_path, records("a", {"Nucleus": 3}))
    with pytest.raises(UserError, match="for FASTA take data=fasta"):
        load_corpus(CsvData(train=path))


def test_label_space() -> None:
    labels = LabelSpace.of(["Nucleus", "Golgi", "Nucleus"])
    assert labels.names == ("Golgi", "Nucleus")
    assert (labels.index("Nucleus"), "Golgi" in labels, "ER" in labels, len(labels)) == (1, True, False, 2)


def test_reserved_names_are_the_tables_columns() -> None:
    assert {*columns(SEVERAL), "true"} - {*SEVERAL.names} == set(RESERVED)
