"""ESM: ESM-2 with rotary positions, ESM-1b with learned ones."""

from __future__ import annotations

from transformers import PreTrainedConfig, PreTrainedModel

from protloc.model.backbones.family import Family


class Esm(Family):
    """transformers' `EsmModel`."""

    model_type = "esm"
    packs = True

    def adapt(self, backbone: PreTrainedModel) -> None:
        """Also without its contact head, to which a classification loss gives no gradient; and faster."""
        if hasattr(backbone, "contact_head"):
            del backbone.contact_head
        super().adapt(backbone)
        from protloc.model.backbones.esm_fused import fuse  # its model's code takes a while to import

        fuse(backbone)

    def first_position(self, config: PreTrainedConfig) -> int:
        """Learned positions begin behind the padding's; rotary ones count from 0."""
        return 0 if config.position_embedding_type == "rotary" else config.pad_token_id + 1
