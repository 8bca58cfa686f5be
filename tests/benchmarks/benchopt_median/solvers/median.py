from benchopt import BaseSolver

from denoisebench.denoisers import registry


class Solver(BaseSolver):
    """Median filter."""

    name = "median"
    sampling_strategy = "run_once"

    def set_objective(self, noisy):
        self.noisy = noisy
        [method] = registry.select(["median"])
        self.denoiser = method.build()

    def run(self, _):
        self.estimate = self.denoiser.denoise(self.noisy, 25 / 255)

    def get_result(self):
        return {"estimate": self.estimate}
