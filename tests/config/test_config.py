"""The configuration files: every choice composes, and says what the schema says."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from protloc.config import DeepLocData, LaunchConfig, TrainConfig, TrainerConfig, WandbLogger, problems, typed
from protloc.config.schemas import SCHEMAS, options_of, register_schemas
from protloc.files import conf_dir
from tests.scripts import ROOT

CHOICES = [
    (group.name, file.stem)
    for group in sorted(conf_dir().iterdir())
    if group.is_dir() and group.name != "hosting"
    for file in sorted(group.glob("*.yaml"))
]


def composed(*overrides: str, name: str = "train") -> Any:
    register_schemas(LaunchConfig if name == "launch" else TrainConfig)
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return options_of(compose(config_name=name, overrides=list(overrides)))


PLUGINS = {("cluster", "slurm"): "submitit"}


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes(group: str, choice: str) -> None:
    if (group, choice) in PLUGINS:
        pytest.importorskip(PLUGINS[group, choice], reason="needs an extra")
    needed = ["data.train=x"] if (group, choice) in (("data", "fasta"), ("data", "csv")) else []
    launched = group == "tuner" or choice.startswith("sagemaker")
    config = composed(f"{group}={choice}", *needed, name="launch" if launched else "train")
    assert isinstance(config, TrainConfig)
    assert list(problems(config)) == []


def test_every_file_starts_with_how_to_use_it() -> None:
    for file in conf_dir().rglob("*.yaml"):
        assert file.read_text().startswith("# "), file


def test_defaults() -> None:
    config = composed()
    assert (type(config.data).__name__, config.model.name, config.logger.name) == ("DemoData", "tiny", "none")
    assert (config.seed, config.trainer.precision, config.trainer.gpus) == (1, "auto", "auto")


def test_the_recipe_of_the_model_fills_the_trainer_and_words_win() -> None:
    config = composed("model=protbert", "trainer.epochs=2")
    assert config.trainer.learning_rate == config.model.recipe.learning_rate == 2e-5
    assert (config.trainer.epochs, config.model.recipe.epochs) == (2, 5)
    recipe = {f.name for f in dataclasses.fields(config.model.recipe)}
    assert recipe <= {f.name for f in dataclasses.fields(TrainerConfig)}


def test_a_frozen_backbone_has_a_recipe_of_its_own_and_words_win() -> None:
    config = composed("model=protbert", "tuning=frozen", "trainer.epochs=2")
    assert (config.tuning.name, config.trainer.learning_rate, config.trainer.epochs) == ("frozen", 1e-3, 2)


def test_groups_have_their_types() -> None:
    config = composed("data=deeploc", "data.path=x", "logger=wandb", "logger.mode=offline")
    assert isinstance(config.data, DeepLocData)
    assert config.data.path == "x"
    assert isinstance(config.logger, WandbLogger)
    assert config.logger.mode == "offline"


def test_an_experiment_changes_the_choice_of_groups() -> None:
    config = composed("experiment=protbert_deeploc")
    assert (type(config.data).__name__, config.model.name) == ("DeepLocData", "protbert")


def test_trainer_args_take_any_name_without_a_plus() -> None:
    assert composed("trainer.args.adam_beta2=0.98").trainer.args == {"adam_beta2": 0.98}


def test_predict_config() -> None:
    config = composed("model_dir=m", "input=i", name="predict")
    assert (config.model_dir, config.output, config.overwrite, config.on_error) == ("m", None, False, "stop")


def test_every_schema_is_used() -> None:
    text = "".join(file.read_text() for file in conf_dir().rglob("*.yaml"))
    for _, name in SCHEMAS:
        assert f"- {name}\n" in text, name


def test_every_option_explains_itself() -> None:
    for schema in SCHEMAS.values():
        assert schema.__doc__
        for f in dataclasses.fields(schema):
            if f.name.startswith("_") or f.name in ("data", "model", "trainer", "logger", "tuning"):
                continue
            assert f.metadata.get("help"), f"{schema.__name__}.{f.name}"


def test_configuration_page_is_current() -> None:
    from protloc.config.page import page

    written = ROOT / "docs" / "configuration.md"
    assert written.read_text() == page(), "run: python -m protloc.config.page > docs/configuration.md"


@pytest.mark.parametrize(
    "value",
    ["Entry", "Subcellular location [CC]", "it's", 'a"b', "x,y", "a\\b", "a\\", 'q\\"', "", "é", "1e5", "null", " x "],
)
def test_what_is_to_be_typed_arrives(value: str) -> None:
    (word,) = shlex.split(typed("data.label_column", value))
    assert OverridesParser.create().parse_override(word).value() == value
