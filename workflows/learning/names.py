"""Names that models, predictions and their lineage share; nothing heavy is imported for them."""

from __future__ import annotations

from typing import Final

__all__ = ["MODEL_CODE", "PREDICTION_FILE", "REPORT", "SPECTRA"]

# The code of spectra that a model predicted.
MODEL_CODE: Final = "model"
# Raw file of a stored prediction: its error bars and how far it is from the training.
PREDICTION_FILE: Final = "prediction.json"
# In the folder of a model, beside what `models.folder` writes: ids of the spectra of each part, and the report.
SPECTRA: Final = "spectra.json"
REPORT: Final = "report"
