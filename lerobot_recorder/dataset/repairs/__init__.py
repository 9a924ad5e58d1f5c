"""Repairs of damaged datasets: what can be saved is written as a new dataset.

=============  =============================================================================
finding        `Finding`: a fault, what is done about it, what is lost
evidence       reads what is left, and notes what cannot be read
alignment      finds the episodes in rows whose numbers may be wrong
describe       finds features and rate without ``info.json``
rebuild        `Reconstruction`: which episodes can be saved
write          `RepairedDataset`: writes them
=============  =============================================================================
"""

from lerobot_recorder.dataset.repairs.finding import Finding
from lerobot_recorder.dataset.repairs.rebuild import Reconstruction
from lerobot_recorder.dataset.repairs.write import RepairedDataset

__all__ = ["Finding", "Reconstruction", "RepairedDataset"]
