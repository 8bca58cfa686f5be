from typing import ClassVar

import numpy as np
from benchopt import BaseDataset

from denoisebench import protocol


class Dataset(BaseDataset):
    """The frames of `test_harness.make_frames`, with the protocol's noise."""

    name = "frames"
    parameters: ClassVar = {"number": list(range(10)), "sigma": [15, 25, 50], "seed": [0]}

    def get_data(self):
        frame = np.random.default_rng(0).integers(0, 256, (320, 480, 3), dtype=np.uint8)
        clean = np.roll(frame, self.number)
        noisy = protocol.add_noise(
            clean, self.sigma, dataset="frames", frame=str(self.number), seed=self.seed
        )
        return {"clean": clean, "noisy": noisy}
