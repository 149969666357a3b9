"""Hugging Face's Trainer for proteins: batches in parts, shared by cost; checkpoints whole or not there."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from accelerate.data_loader import DataLoaderShard
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput, rotate_checkpoints

from protloc.data.batching import BatchOrder, RankBatches, longest_first
from protloc.errors import UserError
from protloc.model.classifier import ClassifierOutput
from protloc.tasks.losses import Loss
from protloc.training.checkpoints import StopSignal, mark_whole
from protloc.training.progress import TrainingProgress


class ProteinTrainer(Trainer):
    """Trainer that evaluates in the order of the data; the corpus hands it over sorted by length.

    Args:
        progress: told how long the steps wait for their batches.
        data: fingerprint of the proteins, kept with each checkpoint.
        loss: of a batch.
        quadratic: what attention adds to the cost of a protein, as in `Family.attention_cost`.
        arguments: of `transformers.Trainer`.
    """

    def __init__(
        self, *, progress: TrainingProgress, data: str, quadratic: float, loss: Loss, **arguments: Any
    ) -> None:
        super().__init__(compute_loss_func=self._loss_of, **arguments)
        self.loss = loss
        self.progress, self.data, self.quadratic = progress, data, quadratic
        self.add_callback(progress)
        self.add_callback(StopSignal(lambda: self._save_checkpoint(self.model, None), self.args.world_size))

    def _loss_of(
        self, outputs: ClassifierOutput, labels: Tensor, num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss of a part, as Trainer asks for it."""
        said = outputs.joined()[:, None] if outputs.members is None else outputs.members
        return self.loss(said, labels, num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Tensor | int | None:
        """Proteins of the global batch; Trainer would count the cells of the labels."""
        whole = [{"labels": torch.zeros(len(batch["labels"]), dtype=torch.int64)} for batch in batch_samples]
        counted: Tensor | int | None = super()._get_num_items_in_batch(whole, device)
        return counted

    def whole_weights(self) -> dict[str, Tensor] | None:
        """All weights on the first process, where the processes share them; None where each has them all."""
        if not self.is_fsdp_enabled:
            return None
        weights: dict[str, Tensor] = self.accelerator.get_state_dict(self.model_wrapped)
        return weights

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """A checkpoint, marked when it is whole; only then are older ones removed.

        Raises:
            UserError: it cannot be written; what was begun is removed, and the ones before it stay.
        """
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        keep, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, SafetensorError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
                raise  # ours
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
            raise UserError(f"{folder} cannot be written: {reason}; the checkpoints before it are kept") from error
        finally:
            self.args.save_total_limit = keep
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_whole(folder, self.data)
            rotate_checkpoints(str(folder.parent), keep, self.state.best_model_checkpoint)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of the next step; the time until they are there is time in which nothing is computed."""
        began = time.perf_counter()
        found = super().get_batch_samples(*args, **kwargs)
        self.progress.waited += time.perf_counter() - began
        return found

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The loss of a batch, its gradient added part by part; each part is divided by the proteins of the whole.

        Processes exchange their gradients once, with the last part.
        """
        *early, last = inputs["parts"]
        for _ in range(self._spare(inputs["parts"])):
            with self.accelerator.no_sync(model):
                super().training_step(model, last, torch.tensor(torch.inf))  # divided by infinity: its gradient is 0
        losses = []
        for part in early:
            with self.accelerator.no_sync(model):
                losses.append(super().training_step(model, part, num_items_in_batch))
        losses.append(super().training_step(model, last, num_items_in_batch))
        return torch.stack(losses).sum()

    def _spare(self, parts: Sequence[dict[str, Any]]) -> int:
        """Passes to make for the others' sake: where the weights are dealt out, no process can compute alone."""
        if not self.is_fsdp_enabled or self.args.world_size == 1:
            return 0
        most = torch.tensor(len(parts), device=self.args.device)
        torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
        return int(most) - len(parts)

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Logits and labels of a batch, from its parts; the loss is computed over all at the end.

        Trainer's own step talks to the other processes, once a part; but they may have more parts, or fewer.
        """
        parts = self._prepare_inputs(inputs)["parts"]
        labels = [part.pop("labels") for part in parts]
        with torch.no_grad(), self.compute_loss_context_manager():
            for _ in range(self._spare(parts)):
                model(**parts[-1])
            logits = [model(**part).joined().float() for part in parts]
        back = torch.tensor(inputs["order"]).argsort().to(logits[0].device)  # the rows' own order
        return None, torch.cat(logits)[back], torch.cat(labels)[back]

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> EvalLoopOutput:
        """Trainer's, with the loss over the proteins.

        Processes fill their last batches up with repeats; these are gone from what has been gathered, but would count
        in a mean of the batches' losses.
        """
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        logits, labels = torch.from_numpy(output.predictions), torch.from_numpy(output.label_ids)
        output.metrics[f"{metric_key_prefix}_loss"] = float(self.loss(logits[:, None], labels))
        return output

    def get_train_dataloader(self) -> DataLoaderShard:
        """This process's share of every batch. Trainer would cut the batches up before they can be shared by cost."""
        order = BatchOrder(
            np.asarray(self.train_dataset["length"]), self.args.train_batch_size, self.args.seed,
            self.args.train_sampling_strategy,
        )  # fmt: skip
        return DataLoaderShard(
            self.train_dataset,
            device=self.args.device,
            _non_blocking=self.args.accelerator_config.non_blocking,
            batch_sampler=RankBatches(order, self.args.process_index, self.args.world_size, self.quadratic),
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            worker_init_fn=without_handlers,
        )

    def _get_eval_sampler(self, eval_dataset: datasets.Dataset) -> Sampler | None:
        # Trainer would shuffle it by length groups, and the predictions would no longer stand beside their proteins.
        return SequentialSampler(eval_dataset) if self.args.world_size <= 1 else None

    def get_decay_parameter_names(self, model: nn.Module) -> list[str]:
        """Weight decay for matrices only: not for biases and norms, nor for tables of embeddings."""
        tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
        return [name for name, p in model.named_parameters() if p.ndim > 1 and id(p) not in tables]


def without_handlers(worker: int) -> None:
    """A process that makes batches ends by SIGTERM; the handler that it inherits would only take note of it."""
    for number in StopSignal.SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def predict_logits(trainer: Trainer, proteins: datasets.Dataset, name: str = "test") -> tuple[np.ndarray, float]:
    """Logits `(N, W)`, float32, in the order of `proteins`, and the mean loss over them.

    `name` is what the logging service calls them.
    """
    order = longest_first(proteins["length"])
    output = trainer.predict(proteins.select(order), metric_key_prefix=name)
    logits = np.empty_like(output.predictions)
    logits[order] = output.predictions
    return logits, float(output.metrics[f"{name}_loss"])
