"""DeepLoc's format, its dual labels, and the download from a real server on this machine."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protloc.config import DeepLocData
from protloc.data.corpus import load_corpus
from protloc.data.deeploc import CLASSES, RECORDS
from protloc.errors import UserError
from tests.scripts import DEEPLOC

REAL = DEEPLOC


def deeploc_fasta(records: list[str]) -> str:
    """A FASTA with these headers, each with a sequence of its own."""
    return "".join(f">{header}\nM{'ACDEFGHIKL'[i % 10]}{'W' * (i // 10)}\n" for i, header in enumerate(records))


SMALL = [
    *(f"N{i} Nucleus-S" for i in range(10)),
    *(f"C{i} Cell.membrane-M" for i in range(10)),
    "D1 Cytoplasm-Nucleus-U", "D2 Cytoplasm-Nucleus-U test",
    "T1 Nucleus-U test", "T2 Cell.membrane-M test",
    "Y1 Cytoplasm-S", "Y2 Cytoplasm-S", "Y3 Cytoplasm-S",
]  # fmt: skip


def options(folder: Path, records: list[str], **changes: object) -> DeepLocData:
    path = folder / "d.fasta"
    path.write_text(deeploc_fasta(records))
    return DeepLocData(path=str(path), url="", cache_dir=str(folder / "cache"), **changes)  # type: ignore[arg-type]


def test_flag_makes_the_test_split_and_validation_comes_from_the_rest(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, SMALL))
    assert corpus.task.names == ("Cell.membrane", "Cytoplasm", "Nucleus")
    assert corpus.test is not None
    assert list(zip(corpus.test["id"], corpus.test["membrane"], strict=True)) == [("T1", "U"), ("T2", "M")]
    assert sorted([*corpus.train["id"], *corpus.validation["id"]]) == sorted(
        header.split()[0] for header in SMALL if "test" not in header and not header.startswith("D")
    )
    assert corpus.counts == {
        "train": 20, "validation": 3, "test": 2, "dropped_dual_label": 2, "membrane_unknown": 1,
    }  # fmt: skip
    assert corpus.notes == [
        "2 proteins with two locations dropped (2 Cytoplasm-Nucleus); data.dual_labels=first keeps them"
    ]


def test_dual_labels_take_the_first(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, SMALL, dual_labels="first"))
    assert corpus.counts["dual_label_read_as_first"] == 2
    assert corpus.test is not None
    assert dict(zip(corpus.test["id"], corpus.test["location"], strict=True))["D2"] == "Cytoplasm"
    assert corpus.notes == ["2 proteins with two locations given the first (2 Cytoplasm-Nucleus)"]


def test_dual_labels_are_two_places(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, SMALL, dual_labels="both"))
    assert (corpus.task.name, corpus.task.has_membrane) == ("multilabel", True)
    assert corpus.task.names == ("Cell.membrane", "Cytoplasm", "Nucleus")
    assert corpus.test is not None
    splits = (corpus.train, corpus.validation, corpus.test)
    places = {id: place for split in splits for id, place in zip(split["id"], split["location"], strict=True)}
    assert [id for id, place in places.items() if "|" in place] == ["D1", "D2"]
    assert (places["D1"], corpus.counts["dual_label_read_as_two"]) == ("Cytoplasm|Nucleus", 2)


def test_dual_labels_that_are_to_be_two_and_whole(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.dual_labels=both makes 2 proteins with two places, and data.label_sep"):
        load_corpus(options(tmp_path, SMALL, dual_labels="both", label_separator="none"))


def test_dual_labels_stop(tmp_path: Path) -> None:
    given = options(tmp_path, SMALL, dual_labels="error")
    with pytest.raises(UserError) as caught:
        load_corpus(given)
    assert str(caught.value).splitlines() == [
        f"{given.path}: 2 proteins have two locations",
        f"  {given.path}:41: D1: two locations, Cytoplasm-Nucleus: data.dual_labels=error",
        f"  {given.path}:43: D2: two locations, Cytoplasm-Nucleus: data.dual_labels=error",
    ]


@pytest.mark.parametrize("header", ["X1 Nucleus", "X1 Nucleus-Q", "X1", "X1 Nucleus-S tests"])
def test_another_header(tmp_path: Path, header: str) -> None:
    given = options(tmp_path, [*SMALL, header])
    message = (
        f"{given.path}:55: X1: header {header[3:] or '(nothing)'!r} is not `Location-S|M|U [test]` "
        "(data.on_error=skip goes on without)"
    )
    with pytest.raises(UserError, match="^" + re.escape(message) + "$"):
        load_corpus(given)


def test_no_test_proteins_is_said(tmp_path: Path) -> None:
    corpus = load_corpus(options(tmp_path, [header for header in SMALL if "test" not in header]))
    assert corpus.test is None
    assert "no protein is flagged test: there will be no test figures" in corpus.notes


# --- the download ----------------------------------------------------------------------------------------------------


def published() -> list[str]:
    """Headers with the published file's counts; every tenth protein is a test protein."""
    single = [name for name, count in CLASSES.items() for _ in range(count)]
    names = single + ["Cytoplasm-Nucleus"] * (RECORDS - len(single))
    return [f"P{i} {name}-S{' test' * (i % 10 == 0)}" for i, name in enumerate(names)]


class Server:
    """Serves `body` to every request; `cut` sends less than it promises."""

    def __init__(self) -> None:
        self.body, self.status, self.cut, self.requests = b"", 200, 0, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body[: len(outer.body) - outer.cut])

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output clean."""

        self.http = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/deeploc_data.fasta"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever)
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


def test_the_published_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    server.body = deeploc_fasta(published()).encode()
    given = DeepLocData(url=server.url, cache_dir=str(tmp_path))
    for _ in range(2):
        corpus = load_corpus(given)
        assert corpus.test is not None
        assert (len(corpus.task.labels), corpus.counts["dropped_dual_label"]) == (10, 146)
    assert server.requests == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deeploc_data.fasta", "deeploc_data.json", "parsed"]


def test_a_file_changed_since_its_download(server: Server, tmp_path: Path) -> None:
    server.body = deeploc_fasta(published()).encode()
    given = DeepLocData(url=server.url, cache_dir=str(tmp_path))
    load_corpus(given)
    with open(tmp_path / "deeploc_data.fasta", "a") as file:
        file.write(">X Nucleus-S\nMK\n")
    with pytest.raises(UserError, match=r"changed since it was downloaded .* delete it to download it again"):
        load_corpus(given)


@pytest.mark.parametrize(
    ("body", "status", "cut", "reason"),
    [
        (b">a Nucleus-S\nMK\n", 404, 0, "Not Found"),
        (b">a Nucleus-S\nMK\n", 200, 5, "bytes came|IncompleteRead"),
        (b"<html>moved</html>", 200, 0, "what came is another kind of file"),
    ],
)
def test_a_failed_download(server: Server, tmp_path: Path, body: bytes, status: int, cut: int, reason: str) -> None:
    server.body, server.status, server.cut = body, status, cut
    with pytest.raises(UserError, match=rf"could not be downloaded from .*({reason}).* and give data.path=FILE"):
        load_corpus(DeepLocData(url=server.url, cache_dir=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"could not be downloaded .* and give data.path=FILE"):
        load_corpus(DeepLocData(url="http://127.0.0.1:9/deeploc_data.fasta", cache_dir=str(tmp_path)))


def test_a_download_that_is_not_the_published_file(server: Server, tmp_path: Path) -> None:
    server.body = deeploc_fasta(SMALL).encode()
    with pytest.raises(UserError, match=r"not the published file: 27 records in 3 classes, expected 14,004 in 10"):
        load_corpus(DeepLocData(url=server.url, cache_dir=str(tmp_path)))


# --- real proteins ---------------------------------------------------------------------------------------------------


def real(name: str) -> str:
    """A real file, where this machine has it."""
    if not (REAL / name).is_file():
        pytest.skip(f"{REAL / name} is not there: real proteins stay out of the repository")
    return str(REAL / name)


def test_the_real_single_label_file(tmp_path: Path) -> None:
    corpus = load_corpus(DeepLocData(path=real("deeploc_single_label.fasta"), url="", cache_dir=str(tmp_path)))
    assert corpus.test is not None
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (12_976, 681, 3_394)
    assert len(corpus.task.labels) == 10


@pytest.mark.parametrize("choice", ["drop", "first", "error"])
def test_the_real_dual_label_sample(choice: str, tmp_path: Path) -> None:
    path = real("deeploc1_dual_label_sample.fasta")
    count = Path(path).read_text().count("Cytoplasm-Nucleus")
    assert count > 0
    given = DeepLocData(path=path, url="", dual_labels=choice, cache_dir=str(tmp_path))
    if choice == "error":
        with pytest.raises(UserError, match=rf"{count} proteins have two locations"):
            load_corpus(given)
    else:
        key = "dropped_dual_label" if choice == "drop" else "dual_label_read_as_first"
        assert load_corpus(given).counts[key] == count
