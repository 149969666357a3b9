"""`import protloc` is light; `import protloc.model` makes transformers know its models, in either order of import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import build
from tests.scripts import ROOT


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return result.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    heavy = "('torch', 'transformers', 'hydra')"
    code = f"import sys, protloc, json; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    assert json.loads(run(code)) == []


@pytest.mark.parametrize(
    "imports", ["import protloc.model; import transformers", "from transformers import AutoModel; import protloc.model"]
)
def test_auto_classes_read_a_model_folder(imports: str, tmp_path: Path) -> None:
    model, tokenizer = build("tiny", tmp_path)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    code = (
        f"{imports}\nfrom transformers import AutoConfig, AutoModelForSequenceClassification as A, pipeline\n"
        f"folder = r'{tmp_path}'\n"
        "print(type(AutoConfig.from_pretrained(folder)).__name__, type(A.from_pretrained(folder)).__name__)\n"
        "print(pipeline('text-classification', model=folder)('MKVLAAAGIVW' * 9)[0]['label'])"
    )
    names, label = run(code).splitlines()
    assert names == "ProteinClassifierConfig ProteinClassifier"
    assert (
        label
        == model.config.id2label[int(model(**tokenizer(["MKVLAAAGIVW" * 9], return_tensors="pt")).logits.argmax())]
    )
