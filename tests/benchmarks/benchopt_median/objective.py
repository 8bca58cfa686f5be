from benchopt import BaseObjective

from denoisebench import metrics, protocol


class Objective(BaseObjective):
    """PSNR and SSIM, as the protocol has them."""

    name = "Denoising"
    min_benchopt_version = "1.9"
    sampling_strategy = "run_once"

    def set_data(self, clean, noisy):
        self.clean, self.noisy = clean, noisy

    def get_objective(self):
        return {"noisy": self.noisy}

    def evaluate_result(self, estimate):
        rounded = protocol.quantise(estimate)
        psnr = metrics.psnr(self.clean, rounded)
        return {"value": -psnr, "psnr": psnr, "ssim": metrics.ssim(self.clean, rounded)}

    def get_one_result(self):
        return {"estimate": self.noisy}
