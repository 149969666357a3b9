"""The model as Hugging Face's inference images call it: from the model folder alone, without this checkout."""

from __future__ import annotations

import csv
import inspect
import io
import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from protloc.errors import UserError
from protloc.model.folder import load_model
from protloc.serving import handler
from protloc.serving.bundle import NEEDS, write_inference_code
from tests.models import NAMES, TASK, saved
from tests.scripts import fasta, run

ABSENT = (
    "accelerate", "datasets", "evaluate", "fastapi", "hydra", "matplotlib", "omegaconf", "prometheus_client", "pyarrow",
    "rich", "uvicorn",
)  # fmt: skip
"""Packages of protloc's that an image need not have."""

IMAGE = f"""
import importlib.util, json, sys
sys.path.append({sysconfig.get_path("purelib")!r})  # by hand, so that its path files do not lead to the checkout
sys.modules.update(dict.fromkeys({ABSENT!r}))  # importing one of them fails
assert getattr(importlib.util.find_spec("protloc"), "origin", None) is None  # no code: configurations at most
model_dir, requests = sys.argv[1], json.load(sys.stdin)
"""

HF_SERVE = """
spec = importlib.util.spec_from_file_location("handler", f"{model_dir}/handler.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
handler = module.EndpointHandler(model_dir)
answers = [handler(content) for content in requests]
"""

TOOLKIT = """
sys.path.insert(0, f"{model_dir}/code")
module = importlib.import_module("inference")
model = module.model_fn(model_dir)
answers = []
for body, kind, accept in requests:
    body = body if kind in ("application/json", "text/csv") else body.encode()
    answers.append(module.output_fn(module.predict_fn(module.input_fn(body, kind), model), accept))
"""

REPORT = """
import protloc
print(json.dumps([protloc.__file__, answers]))
"""


def image(script: str, model_dir: Path, cwd: Path, requests: list[Any]) -> list[Any]:
    """The answers of a process that knows nothing of this checkout nor of path files."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMAGE + script + REPORT, str(model_dir)],
        cwd=cwd, input=json.dumps(requests), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    file, answers = json.loads(result.stdout)
    assert file == f"{model_dir}/code/protloc/__init__.py"
    return list(answers)


@pytest.fixture(scope="module")
def proteins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fasta(tmp_path_factory.mktemp("proteins") / "proteins.fasta", 30)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = saved(tmp_path_factory.mktemp("bundled"))
    write_inference_code(folder)
    return folder


@pytest.fixture(scope="module")
def expected(plain: Path, proteins: Path) -> list[dict[str, str]]:
    """predict.py's table."""
    result = run("predict.py", f"model_dir={plain}", f"input={proteins}", "output=-")
    assert result.returncode == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def assert_rows(answer: list[dict[str, Any]], expected: list[dict[str, str]]) -> None:
    assert len(answer) == len(expected) == 30
    for ours, theirs in zip(answer, expected, strict=True):
        for name in ("id", "location", "length", "residues_read", "warnings"):
            assert str(ours[name]) == theirs[name]
        shares = ours.get("probabilities", ours)
        for name in NAMES:
            assert float(shares[name]) == pytest.approx(float(theirs[name]), abs=1e-5)
        assert float(ours["probability"]) == pytest.approx(float(theirs["probability"]), abs=1e-5)


def test_hf_serve_answers_as_predict_does(
    bundled: Path, proteins: Path, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    (answer,) = image(HF_SERVE, bundled, tmp_path, [{"inputs": proteins.read_text(), "parameters": {}}])
    assert_rows(answer, expected)


def test_sagemakers_toolkit_answers_as_predict_does(
    bundled: Path, proteins: Path, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    text = proteins.read_text()
    pairs = [(record.split()[0], record.split()[-1]) for record in text.split(">")[1:]]
    table = "id,sequence\n" + "".join(f"{name},{sequence}\n" for name, sequence in pairs)
    requests = [
        (json.dumps({"inputs": text}), "application/json", "text/csv"),
        (table, "text/csv", "application/jsonlines"),
        (text, "text/x-fasta", "application/json"),
    ]
    as_csv, as_lines, as_json = image(TOOLKIT, bundled, tmp_path, requests)
    assert_rows(list(csv.DictReader(io.StringIO(as_csv))), expected)
    assert_rows([json.loads(line) for line in as_lines.splitlines()], expected)
    assert_rows(json.loads(as_json), expected)


def test_the_toolkit_counts_the_arguments() -> None:
    for function, without_context in (
        (handler.model_fn, 1), (handler.input_fn, 2), (handler.predict_fn, 2), (handler.output_fn, 2)
    ):  # fmt: skip
        assert len(inspect.signature(function).parameters) - without_context in (0, 1)


def test_every_way_to_give_proteins(plain: Path) -> None:
    answers = handler.EndpointHandler(str(plain))
    for inputs, names in (
        ("MKVLA", ["1"]),
        (["MKVLA", "MW"], ["1", "2"]),
        ([{"id": "a", "sequence": "MKVLA"}, {"id": "b", "sequence": "MW"}], ["a", "b"]),
        ("\n>a x\nMKV\nLA\n>b\nMW\n", ["a", "b"]),
    ):
        answer = answers({"inputs": inputs})
        assert [row["id"] for row in answer] == names
        assert [row["length"] for row in answer] == [5, 2][: len(names)]
        assert all(sum(row["probabilities"].values()) == pytest.approx(1) for row in answer)
    assert answers({"sequences": ["MW"]})[0]["length"] == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"inputs": "MK1"}, "record 1 (1), line 1: '1' at residue 3 is no amino acid"),
        ({"inputs": ">a\nMK\n>b\nM-\n"}, "record 2 (b), line 3: '-' at residue 2 is no amino acid"),
        ({"inputs": []}, "no proteins in the request"),
        ({}, 'give {"sequences":'),
        (7, "the proteins must be a list"),
        (
            {"inputs": "MK", "parameters": {"top_k": 1}},
            'parameters={"top_k": 1}: there is `exclude` to give, a list of locations',
        ),
    ],
)
def test_what_cannot_be_read_is_said(content: Any, message: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        handler.asked_of(content)
    assert str(told.value).startswith(message)
    with pytest.raises(ValueError) as told:  # noqa: PT011
        handler.input_fn(json.dumps(content), "application/json")
    assert str(told.value).startswith(message)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("{", "application/json", "the body is no JSON: Expecting property name"),
        ("[" * 9000, "application/json", "the body is no JSON: maximum recursion"),
        (b"MK", "image/png", "Content-Type image/png: send one of"),
        ("name,sequence\na,MK\n", "text/csv", "request.csv: no column 'id'"),
    ],
)
def test_bodies_that_cannot_be_read(body: str | bytes, kind: str, message: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        handler.input_fn(body, kind)
    assert str(told.value).startswith(message)


def test_answers_that_we_do_not_make() -> None:
    with pytest.raises(ValueError, match="Accept image/png"):
        handler.output_fn([{"id": "a"}], "image/png")


# --- the files -------------------------------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_files_again_and_a_model_folder_still(tmp_path: Path, proteins: Path) -> None:
    folder = saved(tmp_path)
    before = contents(folder)
    write_inference_code(folder)
    once = contents(folder)
    (folder / "code" / "protloc" / "gone.py").write_text("left by an older version\n")
    write_inference_code(folder)
    assert contents(folder) == once
    added = {name: content for name, content in once.items() if name not in before}
    assert {name: once[name] for name in before} == before
    assert {name.split("/")[0] for name in added} == {"handler.py", "code"}
    assert {name.rpartition(".")[2] for name in added} - {"py", "yaml", "html"} == {"txt"}
    pins = added["code/requirements.txt"].decode().splitlines()
    assert [line.split("==")[0] for line in pins] == list(NEEDS)
    assert f"transformers=={__import__('transformers').__version__}" in pins
    assert load_model(folder).task == TASK
    assert not any(name.startswith(".") for name in contents(folder))


def test_predict_reads_a_bundled_folder(bundled: Path, proteins: Path, expected: list[dict[str, str]]) -> None:
    result = run("predict.py", f"model_dir={bundled}", f"input={proteins}", "output=-")
    assert result.returncode == 0, result.stderr
    assert list(csv.DictReader(io.StringIO(result.stdout))) == expected


@pytest.mark.parametrize("name", ["handler.py", "code/mine.py"])
def test_what_others_put_there_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine\n")
    with pytest.raises(UserError, match=r"is there already and not protloc's: move it away"):
        write_inference_code(tmp_path)
    assert contents(tmp_path) == {"config.json": b"{}", name: b"mine\n"}


def test_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no config\.json: it is no model folder"):
        write_inference_code(tmp_path)
