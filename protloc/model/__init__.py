"""Backbone, pooling head, tokenizer and the saved model.

Importing this package, or anything in it, makes `AutoConfig`, `AutoModel` and `AutoModelForSequenceClassification` know
protloc's models: `import protloc.model` is all that a `pipeline` over a model folder needs.
"""

from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from protloc.model.backbones.tiny import TinyConfig
from protloc.model.backbones.tiny_encoder import TinyModel
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig

AutoConfig.register(TinyConfig.model_type, TinyConfig, exist_ok=True)
AutoConfig.register(ProteinClassifierConfig.model_type, ProteinClassifierConfig, exist_ok=True)
AutoModel.register(TinyConfig, TinyModel, exist_ok=True)
AutoModelForSequenceClassification.register(ProteinClassifierConfig, ProteinClassifier, exist_ok=True)
