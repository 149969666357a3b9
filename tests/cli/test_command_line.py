"""Every mistake on the command line: one line with a suggestion, exit code 2, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from protloc.cli.help import help_text
from protloc.cli.words import with_list
from protloc.config import TrainConfig
from protloc.files import conf_dir
from tests.scripts import ROOT, run

MISTAKES = [
    ("trainer.gpu=8", "no option 'trainer.gpu'; did you mean trainer.gpus?"),
    ("+trainer.gpu=8", "no option 'trainer.gpu'; did you mean trainer.gpus?"),
    ("trainr.gpus=8", "no option 'trainr'; did you mean trainer?"),
    ("seeds=3", "no option 'seeds'; did you mean seed?"),
    ("model=protbret", "no config 'model/protbret'; did you mean 'protbert'?"),
    ("modle=protbert", "no option 'modle'; did you mean model?"),
    ("trainer.precision=bf17", "trainer.precision=bf17: choose one of auto, fp32, bf16, fp16"),
    ("trainer.gpus=many", "trainer.gpus=many: choose one of auto or a number"),
    ("trainer.gpus=-1", "trainer.gpus=-1: must be at least 0"),
    ("trainer.epochs=0", "trainer.epochs=0.0: must be at least 0.01"),
    ("model.dropout=2", "model.dropout=2.0: must be at most 0.9"),
    ("data.dual_labels=drop", "no option 'data.dual_labels'; there are: limit"),
    (
        "data.url=Subcellular location [CC]",
        "cannot read 'data.url=Subcellular location [CC]': type 'data.url=\"Subcellular location [CC]\"'",
    ),
    ("data.url=[a", "cannot read 'data.url=[a': give name=value, and quote special characters: "),
    ("seed=1,2", "'seed=1,2' gives several values: add -m for a run with each, or write a list as [a,b]"),
    ("--modle", "unrecognized arguments: --modle; options are given as name=value, see --help"),
    ("trainer.args.logging_step=3", "no option 'trainer.args.logging_step'; did you mean trainer.args.logging_steps?"),
    ("trainer.args.logging_steps=often", "trainer.args.logging_steps=often: must be a number"),
    ("trainer.args.eval_strategy=weekly", "trainer.args.eval_strategy=weekly: must be no, steps, epoch"),
    ("trainer.args.output_dir=x", "trainer.args.output_dir is set by protloc: hydra.run.dir=FOLDER names it"),
]


@pytest.mark.parametrize(("override", "line"), MISTAKES)
def test_a_mistake_is_one_line(override: str, line: str, tmp_path: Path) -> None:
    result = run("train.py", override, f"hydra.run.dir={tmp_path}/run")
    assert result.returncode == 2, result.stderr
    (said,) = result.stderr.splitlines()
    assert said.startswith(f"error: {line}")
    assert result.stdout == ""


def test_a_value_of_the_wrong_type(tmp_path: Path) -> None:
    result = run("train.py", "trainer.batch_size=big", f"hydra.run.dir={tmp_path}")
    assert result.returncode == 2
    (said,) = result.stderr.splitlines()
    assert said.startswith("error: trainer.batch_size: value 'big' of type 'str' could not be converted to Integer")


def test_a_missing_value_is_explained(tmp_path: Path) -> None:
    result = run("train.py", "data=fasta", f"hydra.run.dir={tmp_path}")
    assert result.returncode == 2
    assert result.stderr == (
        "error: data.train is missing: give data.train=... (training proteins: FASTA, plain or gz)\n"
    )
    result = run("predict.py", "input=x.fasta")
    assert (result.returncode, result.stderr.startswith("error: model_dir is missing: give model_dir=...")) == (2, True)


def test_a_path_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ("data=deeploc", "data.path=~/x.fasta", "hydra.run.dir=~/run")
    result = run("train.py", *words, cache=tmp_path / "cache", fresh=True)
    assert (result.returncode, result.stderr) == (1, f"error: {tmp_path}/x.fasta: no such file\n")
    (tmp_path / "file").write_text("")
    result = run("train.py", "hydra.run.dir=~/file/run", fresh=True)
    assert (result.returncode, result.stderr) == (1, f"error: {tmp_path}/file/run: Not a directory\n")


@pytest.mark.parametrize("words", ["hydra.run.dir=new/run", "", "trainer.epochs=0 hydra.run.dir=run"])
def test_a_run_that_fails_before_it_did_anything_leaves_no_folder(words: str, tmp_path: Path) -> None:
    result = run("train.py", "data=fasta", "data.train=gone.fasta", *words.split(), cwd=tmp_path, cache=tmp_path / "c")
    assert result.returncode in (1, 2)
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    for name, content in (("empty", None), ("mine", "notes.txt"), ("begun", "config.resolved.yaml")):
        (tmp_path / name).mkdir()
        if content:
            (tmp_path / name / content).write_text("precious")
        result = run("train.py", "data=fasta", "data.train=gone.fasta", f"hydra.run.dir={tmp_path}/{name}")
        assert result.stderr == "error: gone.fasta: no such file\n"
        left = {path.name for path in (tmp_path / name).iterdir()} - {".lock"}
        assert left == ({content, "config.resolved.yaml", "overrides.yaml", "train.log"} if content else set())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("input=x.fasta output=x.docx", "x.docx: unknown ending '.docx'; take one of .csv, .tsv, .jsonl, .parquet"),
        ("input=-", "input=- needs output=: a file, or - for CSV on standard output"),
        ("input=nowhere.fasta", "nowhere.fasta: no such file"),
        ("input=. output=x.csv", ".: this is a folder; give a file"),
        ("input=README.md output=README.md overwrite=true", "output=README.md: this is the file of input=README.md"),
    ],
)
def test_names_are_looked_at_before_pytorch_is_loaded(words: str, line: str) -> None:
    code = (
        f"import sys; sys.argv = ['predict.py', 'model_dir=nowhere', *{words.split()!r}]\n"
        "from protloc.cli.main import predict\ntry: predict()\nexcept SystemExit as end: code = end.code\n"
        "print(code, [m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stderr.startswith(f"error: {line}")
    assert result.stdout in ("1 []\n", "2 []\n")


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    result = run("train.py", "trainer.gpus=99", "data.limit=20", f"hydra.run.dir={tmp_path}/run")
    assert result.returncode == 1
    (said,) = result.stderr.splitlines()
    assert said.startswith("error: trainer.gpus=99, but this machine has ")


@pytest.mark.parametrize("script", ["train.py", "predict.py"])
def test_help_explains_and_loads_nothing_heavy(script: str) -> None:
    name = script.removesuffix(".py")
    code = (
        f"import sys; sys.argv = ['{script}', '--help']\nfrom protloc.cli.main import {name}\n"
        f"try: {name}()\nexcept SystemExit as end: code = end.code\n"
        "print(code, [m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *page, last = result.stdout.splitlines()
    assert last == "0 []"
    usages = [line for line in page if line.startswith(f"  python {script}")]
    assert len(usages) >= 2
    assert max(map(len, page)) <= 180


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("keep=gene", 'keep=["gene"]'),
        ("keep=Gene Names [x], organism", 'keep=["Gene Names [x]","organism"]'),
        ("keep=[a,b]", "keep=[a,b]"),
        ('keep="a"', 'keep="a"'),
        ("keep=", "keep=[]"),
        ("output=a,b", "output=a,b"),
        ("--help", "--help"),
    ],
)
def test_several_names_need_no_quotes(word: str, read: str) -> None:
    assert with_list(word) == read


def test_help_names_every_choice_and_option() -> None:
    page = run("train.py", "--help", fresh=True).stdout
    for word in ("protbert", "esm2_3b", "deeploc", "wandb", "trainer.gpus", "trainer.precision", "model.pooling"):
        assert word in page, word
    assert "[1]" in next(line for line in page.splitlines() if line.startswith("  seed "))


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], ["data.limit", "data.on_error", "trainer.activation_checkpointing"]),
        (["data=csv"], ["data.train", "data.label_column", "data.split_column", "data.limit"]),
        (["data=fasta", "data.train=x"], ["data.label_pattern", "data.unlabelled"]),
        (["data=deeploc", "tuning=frozen", "logger=wandb"], ["data.dual_labels", "tuning.name", "logger.project"]),
        (["data=nosuch"], ["data.limit"]),
    ],
)
def test_help_explains_what_is_chosen(words: list[str], options: list[str]) -> None:
    page = help_text("train", TrainConfig, conf_dir(), words)
    for name in options:
        (line,) = [line for line in page.splitlines() if line.startswith(f"  {name} ")]
        assert line.removeprefix(f"  {name}").startswith("  "), "the columns do not collide"
    assert ("data.label_column" in page) == ("data=csv" in words)
    assert page.index(options[0]) <= page.index("data.limit")


def test_cfg_job_shows_what_would_run() -> None:
    result = run("train.py", "model=protbert", "--cfg", "job", "--resolve")
    assert result.returncode == 0
    assert "name_or_path: Rostlab/prot_bert\n" in result.stdout
    assert "learning_rate: 2.0e-05\n" in result.stdout


def test_shell_completion(tmp_path: Path) -> None:
    """What the shell asks when a person presses Tab."""
    import os

    environment = {**os.environ, "COMP_LINE": "train.py model=prot", "COMP_POINT": "19"}
    result = subprocess.run(
        [sys.executable, "train.py", "-sc", "query=bash"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.split() == ["model=protbert", "model=protbert_bfd"]


@pytest.mark.parametrize("words", ["train.py --help", "train.py --cfg job", "predict.py --help"])
def test_a_page_that_cannot_be_written(words: str) -> None:
    for end, start, line in (
        ("> /dev/full", "error: ", "standard output: cannot be written: No space left on device\n"),
        (">&-", "", ""), ("| true", "error: ", "the reader of the output is gone\n"),
    ):  # fmt: skip
        command = f"{sys.executable} {words} {end}"
        result = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)
        if not result.stderr and end == "| true":
            continue  # it was slow to go
        assert result.stderr.count("\n") == len(line[:1])
        assert result.stderr.startswith(start)
        assert result.stderr.endswith(line.replace("cannot be written: ", "") if "--cfg" in words else line)


@pytest.mark.parametrize(
    "words", ["hydra.run.dir={}", "resume={}", "data=fasta data.train={}", "data=deeploc data.path={}"]
)
def test_a_name_that_is_too_long_is_one_line(words: str, tmp_path: Path) -> None:
    words = words.format("x" * 300)
    result = run("train.py", *words.split(), cwd=tmp_path, cache=tmp_path)
    assert result.returncode == 1
    (said,) = result.stderr.splitlines()
    assert said.startswith("error: ")
    assert said.endswith("File name too long")
