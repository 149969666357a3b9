"""BERT: ProtBert and its relatives, whose vocabulary has a word a residue."""

from protloc.model.backbones.family import Family


class Bert(Family):
    """transformers' `BertModel`."""

    model_type = "bert"
    packs = True
    spaces = True
