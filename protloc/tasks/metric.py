"""The figures of one label a protein as a metric of Hugging Face's `evaluate`, with no download."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from protloc.tasks.confusion import confusion_matrix, figures


class LocalizationMetrics(evaluate.Metric):
    """Accuracy, balanced accuracy, F1, MCC and the figures of each class, as one `evaluate` metric.

    `LocalizationMetrics(num_classes).compute(predictions=, references=)` takes class indices and gives

    - `accuracy`: share of proteins predicted right;
    - `balanced_accuracy`: mean recall of the classes that occur;
    - `macro_f1`, `micro_f1`: F1 averaged over the classes that occur or are predicted, and over proteins;
    - `mcc`: Gorodkin's R_K, the correlation of two class assignments (2004);
    - `per_class`: a list of `support, precision, recall, f1, mcc`, in the order of the classes;
    - `confusion_matrix`: C lists of C counts.

    A ratio without a denominator (a class that never occurs) is 0.0.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        self.num_classes = num_classes
        super().__init__(keep_in_memory=True, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(
            description="Figures of a single-label localization classifier.", citation="", features=features
        )

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, Any]:
        return figures(confusion_matrix(np.asarray(references), np.asarray(predictions), self.num_classes))
