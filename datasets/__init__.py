"""The frames: one file a kind of source, behind one interface (`Dataset`)."""

from denoisebench.datasets.base import DataError, Dataset, Frame
from denoisebench.datasets.published import Published

__all__ = ["DataError", "Dataset", "Frame", "Published"]
