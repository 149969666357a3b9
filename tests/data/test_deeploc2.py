"""DeepLoc 2's table: columns of 0 and 1, partitions, the membrane; and what is refused."""

from __future__ import annotations

import http.server
import re
import threading
from pathlib import Path

import pytest

from protloc.config import DeepLoc2Data
from protloc.data.corpus import load_corpus
from protloc.data.deeploc2 import PLACES
from protloc.errors import UserError
from protloc.tasks.multilabel import Multilabel
from tests.scripts import DEEPLOC

HEAD = f",ACC,Kingdom,Partition,Membrane,{','.join(PLACES)},Sequence"
REAL = DEEPLOC / "deeploc2_multi_label.csv"


def row(i: int, places: list[str], partition: int, membrane: str = "0.0") -> str:
    flags = ",".join("1.0" if name in places else "0.0" for name in PLACES)
    return f"{i},P{i},Fungi,{partition},{membrane},{flags},M{'ACDEFGHIKL'[i % 10]}{'W' * i}"


def rows() -> list[str]:
    """Forty proteins in two partitions; every fourth has two places, every third is bound to a membrane."""
    sets = [["Nucleus"], ["Cytoplasm"], ["Nucleus", "Cytoplasm"], ["Peroxisome"]]
    return [row(i, sets[i % 4], i // 32, ["1.0", "0.0", ""][i % 3]) for i in range(40)]


def options(folder: Path, lines: list[str], **changes: object) -> DeepLoc2Data:
    path = folder / "p.csv"
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return DeepLoc2Data(**{"path": str(path), "url": "", "fold": 1, "cache_dir": str(folder / "cache"), **changes})  # type: ignore[arg-type]


def test_places_membrane_and_the_partition_that_is_held_out(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, rows()))
    assert isinstance(corpus.task, Multilabel)
    assert corpus.task.names == ("Cytoplasm", "Nucleus", "Peroxisome")
    assert corpus.task.has_membrane
    assert corpus.test is not None
    assert corpus.test["id"][:] == [f"P{i}" for i in range(32, 40)]
    assert corpus.test["location"][:4] == ["Nucleus", "Cytoplasm", "Cytoplasm|Nucleus", "Peroxisome"]
    assert corpus.test["label"][:3] == [[0, 1, 0, -1], [1, 0, 0, 1], [1, 1, 0, 0]]
    assert set(corpus.train["id"]).isdisjoint(corpus.validation["id"])
    assert len(corpus.train) + len(corpus.validation) == 32
    assert corpus.notes == ["partition 1 is held out as the test"]


def test_the_membrane_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    first = load_corpus(options(tmp_path, rows()))
    changed = [*rows()[:-1], row(39, ["Peroxisome"], 1, "0.0")]
    assert rows()[-1] != changed[-1]
    assert load_corpus(options(tmp_path, changed)).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row(40, [], 0), "{path}:42: P40: no location: none of the columns Cytoplasm, "),
        (row(40, ["Nucleus"], 0, "2.0"), "{path}:42: P40: column 'Membrane' holds '2.0', not 0 or 1"),
        (row(40, ["Nucleus"], 0).replace("1.0", "yes"), "{path}:42: P40: column 'Nucleus' holds 'yes', not 0 or 1"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, line: str, message: str) -> None:
    given = options(tmp_path, [*rows(), line])
    with pytest.raises(UserError, match="^" + re.escape(message.format(path=given.path))):
        load_corpus(given)


def test_a_partition_that_is_not_there(tmp_path: Path) -> None:
    given = options(tmp_path, rows(), fold=7)
    with pytest.raises(UserError, match=r"data.fold=7, but the partitions there are 0, 1$"):
        load_corpus(given)


def test_a_download_must_be_the_published_file(tmp_path: Path) -> None:
    options(tmp_path, rows())

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(tmp_path), **kwargs)  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = options(tmp_path, rows(), path=None, url=f"http://127.0.0.1:{server.server_port}/p.csv")
    with pytest.raises(UserError, match=r"not the published file: 40 proteins in partitions of 32, 8, expected 5963, "):
        load_corpus(given)
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not REAL.is_file(), reason="needs the real DeepLoc 2 proteins, which are not in the repository")
def test_the_real_proteins(tmp_path: Path) -> None:
    corpus = load_corpus(DeepLoc2Data(path=str(REAL), url="", fold=4, cache_dir=str(tmp_path)))
    assert corpus.test is not None
    assert (len(corpus.train) + len(corpus.validation), len(corpus.test)) == (18_600, 4_493)
    assert set(corpus.task.names) == set(PLACES)
    assert sum("|" in location for location in corpus.test["location"]) == 1_099
