"""Training of a denoiser by a recipe: reproducible from a seed, resumable to the same weights."""

from __future__ import annotations

import math
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch

from denoisebench.denoisers.gan import checkpoint, losses, parallel
from denoisebench.denoisers.gan.adam import load_adam, make_adam, set_rate
from denoisebench.denoisers.gan.adversary import Adversary
from denoisebench.denoisers.gan.capture import CapturedStep
from denoisebench.denoisers.gan.collapse import Validation, collapse
from denoisebench.denoisers.gan.data import random_key
from denoisebench.denoisers.gan.networks import build_generator
from denoisebench.errors import UsageError
from denoisebench.plugins import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import nn

    from denoisebench.denoisers.gan.data import Batch, Crops
    from denoisebench.denoisers.gan.perceptual import VggFeatures
    from denoisebench.denoisers.gan.recipe import Recipe

_REPORTS = 20  # from one validation to the next


class FailedTrainingError(Exception):
    """The training has diverged or collapsed, and going on is no use; the message says why."""


@dataclass(frozen=True)
class Report:
    """Progress of a training.

    Attributes:
        iteration: number of iterations done.
        seconds: time spent so far, earlier parts and validations included.
        images_per_second: crops that the generator learned from, over all processes.
        learning_rate: the generator's.
        terms: means since the last report: the losses before their factors, the critic's loss,
            penalty and Wasserstein estimate, and the norm of the generator's gradient.
        psnr: mean over the validation frames in dB, by sigma; empty between validations.
    """

    iteration: int
    seconds: float
    images_per_second: float
    learning_rate: float
    terms: dict[str, float]
    psnr: dict[float, float] = field(default_factory=dict)


def train_network(
    trainer: Trainer,
    *,
    iterations: int,
    path: Path,
    validate: Callable[[nn.Module], dict[float, float]],
    noisy_psnr: Mapping[float, float],
    tell: Callable[[Report], None],
    minutes: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train until the iterations are done or the time is up, whichever is first.

    Args:
        trainer: new, or loaded from a checkpoint.
        iterations: total number, those before the checkpoint included.
        path: of the checkpoint, which is written after every validation.
        validate: returns a generator's PSNR in dB by sigma; called in the process of rank 0 alone.
        noisy_psnr: of the noisy input, in dB by sigma; an estimate should not stay under it.
        tell: called with every report, in the process of rank 0 alone.
        minutes: total time, that before the checkpoint included. A cosine decay ends with the
            iterations or the time, whichever is first.
        stop: called after every iteration; once it returns True, the training is saved and ends.

    Returns:
        True if the training is finished, False if it was stopped.

    Raises:
        FailedTrainingError: it has diverged or collapsed; the last checkpoint is kept.
        UsageError: the checkpoint cannot be written.
    """
    every = trainer.recipe.schedule.validate_every
    begin, meter = monotonic() - trainer.seconds, _Meter(trainer)

    def look() -> list[float]:
        """Give the share that is done, and if it is to stop; all processes agree on both."""
        trainer.seconds = monotonic() - begin
        share = max(trainer.iteration / iterations, trainer.seconds / (60 * minutes))
        return parallel.largest(trainer.device, share, stop())

    share, stopped = look()
    while share < 1 and not stopped:
        meter.step(share)
        share, stopped = look()
        validates = share >= 1 or trainer.iteration % every == 0
        if validates or stopped or trainer.iteration % max(1, every // _REPORTS) == 0:
            report = meter.report()
            if parallel.rank() == 0:
                psnr = validate(trainer.averaged) if validates else {}
                trainer.note(share, psnr)
                tell(replace(report, psnr=psnr))
            if validates or stopped:
                trainer.save(path)
                _refuse_collapse(trainer, noisy_psnr)
    return share >= 1


def _refuse_collapse(trainer: Trainer, noisy_psnr: Mapping[float, float]) -> None:
    """End the training in all processes if its validations say that it has collapsed.

    Raises:
        FailedTrainingError: they do.
    """
    reason = collapse(trainer.history, noisy_psnr)
    [collapsed] = parallel.largest(trainer.device, bool(reason))
    if collapsed:
        raise FailedTrainingError(f"collapsed: {reason}")


class Trainer:
    """The networks and optimisers of one training, and one step of it.

    A step has two parts. The host seeds the random generators and sets the learning rates; then the
    device draws, trains the critic and the generator and averages, without waiting for the host.

    The draws of step i in process r are a function of the seed, i and r, so that no state of a
    random generator has to be kept.

    Args:
        recipe: of the networks, losses and schedule.
        crops: source of batches; its device is the training's.
        seed: of the weights, crops and noise.
        vgg: network whose features the feature loss compares, in place of the critic's.
        captured: replay the device's part as a CUDA graph; on CUDA, in one process, and where mixed
            precision is not float16, which needs the host.

    Attributes:
        generator: the network that learns.
        averaged: the network with the moving average of its weights, which is validated and
            shipped.
        iteration: number of steps done.
        seconds: time spent so far.
        history: the validations so far, in the process of rank 0.
    """

    def __init__(
        self,
        recipe: Recipe,
        crops: Crops,
        seed: int,
        vgg: VggFeatures | None = None,
        *,
        captured: bool = False,
    ) -> None:
        self.recipe = recipe
        self.vgg = vgg
        self.crops = crops
        self.seed = seed
        self.device = crops.device
        self.iteration = 0
        self.seconds = 0.0
        self.history: list[Validation] = []
        schedule = recipe.schedule
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator = build_generator(recipe.generator)
            self.adversary = Adversary(recipe.adversary, self.device) if recipe.adversary else None
        self.generator = generator.to(self.device, memory_format=torch.channels_last)
        self.averaged = deepcopy(self.generator).requires_grad_(False).eval()
        self.optimiser = make_adam(self.generator, schedule.learning_rate, schedule.betas)
        self.precision = precision_on(self.device, schedule.mixed_precision)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision is torch.float16
        )
        turns = recipe.adversary.steps if recipe.adversary else 0
        self._sources = [torch.Generator(self.device) for _ in range(turns + 1)]
        self._lag = torch.ones((), device=self.device)
        self._captured = captured
        self._work = self._device_part()

    @property
    def identity(self) -> dict[str, Any]:
        """Facts that a checkpoint must have in common with this training."""
        return {
            "recipe": self.recipe.digest,
            "frames": self.crops.digest,
            "sigma": list(self.crops.bounds),
            "seed": self.seed,
            "feature network": self.vgg.digest if self.vgg else "critic",
            "number of processes": parallel.size(),
        }

    def step(self, progress: float) -> dict[str, torch.Tensor]:
        """Take one step of the generator, after as many of the critic as the recipe says.

        Args:
            progress: share of the training that is done, from 0 to 1; it sets the learning rates.

        Returns:
            The terms of a `Report`, as tensors on the device.
        """
        self._prepare(progress)
        terms = self._work()
        self.iteration += 1
        return terms

    def note(self, share: float, psnr: dict[float, float]) -> None:
        """Keep a validation's PSNR by sigma, at a share of the training; nothing if it is empty."""
        if psnr:
            self.history.append(Validation(self.iteration, share, self._rate(share), psnr))

    @property
    def is_finite(self) -> bool:
        """True if all of the generator's weights are finite."""
        return all(bool(weight.isfinite().all()) for weight in self.generator.parameters())

    def save(self, path: Path) -> None:
        """Write a checkpoint, in the process of rank 0.

        Raises:
            UsageError: the file cannot be written.
        """
        if parallel.rank() == 0:
            checkpoint.save_state(path, self._state())

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            UsageError: the checkpoint is damaged, or of another training.
        """
        state = checkpoint.load_state(path, self.device)
        try:
            self.refuse_other(path, state["identity"])
            self._restore(state)
        except UsageError:
            raise
        except Exception as error:  # torch raises whatever it meets
            raise UsageError(
                f"{path} is damaged or incomplete ({describe_error(error)}); pass --fresh to set "
                "it aside and start anew"
            ) from error

    def refuse_other(self, path: Path, identity: dict[str, Any]) -> None:
        """Compare the identity that a file has stored with this training's.

        Raises:
            UsageError: the file is of another training.
        """
        differing = [k for k, v in self.identity.items() if identity.get(k) != v]
        if differing:
            raise UsageError(
                f"{path} is of another training (other {', '.join(differing)}); choose another "
                "--out, or pass --fresh to set it aside"
            )

    def _restore(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state."""
        self.iteration, self.seconds = int(state["iteration"]), float(state["seconds"])
        self.history = [Validation(**validation) for validation in state["history"]]
        self.generator.load_state_dict(state["generator"])
        self.averaged.load_state_dict(state["averaged"])
        load_adam(self.optimiser, state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        if self.adversary:
            self.adversary.load(state["adversary"])
        self._work = self._device_part()  # what was recorded holds on to the former moments

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "iteration": self.iteration,
            "seconds": self.seconds,
            "history": [asdict(validation) for validation in self.history],
            "generator": self.generator.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "adversary": self.adversary.state() if self.adversary else {},
        }

    def _rate(self, progress: float) -> float:
        """Compute the share of the full learning rates at a share of the training."""
        decays = self.recipe.schedule.decay == "cosine"
        return (1 + math.cos(math.pi * progress)) / 2 if decays else 1.0

    def _device_part(self) -> Callable[[], dict[str, torch.Tensor]]:
        return CapturedStep(self._compute, self._sources) if self._captured else self._compute

    def _prepare(self, progress: float) -> None:
        """Do the host's part of a step: tell the device all that changes from step to step."""
        for turn, source in enumerate(self._sources):
            source.manual_seed(random_key(self.seed, self.iteration, parallel.rank(), turn))
        rate = self._rate(progress)
        set_rate(self.optimiser, rate * self.recipe.schedule.learning_rate)
        if self.adversary:
            self.adversary.set_rate(rate)
        # Early on the average is short, lest the random first weights stay in it for long.
        decay = min(self.recipe.schedule.average, (1 + self.iteration) / (10 + self.iteration))
        self._lag.fill_(1 - decay)

    def _compute(self) -> dict[str, torch.Tensor]:
        """Do the device's part of a step; return the terms of a `Report`."""
        terms: dict[str, torch.Tensor] = {}
        *for_critic, for_generator = self._sources
        for source in for_critic:
            terms = self._critic_step(source)
        terms |= self._generator_step(for_generator)
        self._update_average()
        return terms

    def _critic_step(self, random: torch.Generator) -> dict[str, torch.Tensor]:
        assert self.adversary is not None
        batch = self.crops.draw(random)
        with torch.no_grad():
            denoised = self._denoise(batch)
        return self.adversary.step(batch.clean, denoised, random)

    def _generator_step(self, random: torch.Generator) -> dict[str, torch.Tensor]:
        batch = self.crops.draw(random)
        terms = self._losses(self._denoise(batch), batch.clean)
        factors = self.recipe.losses
        loss = sum(getattr(factors, name) * term for name, term in terms.items())
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        gradients = [weight.grad for weight in self.generator.parameters()]
        statistics = [b for b in self.generator.buffers() if b.is_floating_point()]
        parallel.average([*gradients, *statistics])
        self.scaler.unscale_(self.optimiser)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        norm = torch.nn.utils.get_total_norm(gradients)
        return {name: term.detach() for name, term in terms.items()} | {"gradient_norm": norm}

    def _denoise(self, batch: Batch) -> torch.Tensor:
        mixes = self.precision is not torch.float32
        with torch.autocast(self.device.type, self.precision, enabled=mixes):
            return self.generator(batch.noisy, batch.sigma).float()

    def _losses(self, estimate: torch.Tensor, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the losses whose factors are not 0, by their factors' names."""
        factors = self.recipe.losses
        terms = {"pixel": losses.pixel(estimate, clean, factors.norm, factors.reduction)}
        if self.adversary:
            terms["adversarial"], features = self.adversary.judge(estimate, clean)
            if factors.feature and self.vgg:
                features = self.vgg(estimate), self.vgg(clean)
            if factors.feature:
                terms["feature"] = losses.feature(*features, factors.reduction)
        if factors.smoothness:
            terms["smoothness"] = losses.smoothness(estimate, factors.reduction)
        if factors.colour:
            terms["colour"] = losses.colour_cross_entropy(estimate, clean)
        return terms

    def _update_average(self) -> None:
        with torch.no_grad():
            for mean, weight in zip(
                self.averaged.parameters(), self.generator.parameters(), strict=True
            ):
                mean.lerp_(weight, self._lag)
            for mine, statistic in zip(
                self.averaged.buffers(), self.generator.buffers(), strict=True
            ):
                mine.copy_(statistic)


@contextmanager
def tuned_kernels(device: torch.device) -> Iterator[None]:
    """Have cuDNN try all its kernels for each shape and keep the fastest, inside the block.

    By its rules of thumb, one kernel of the gradient penalty took 29 of a step's 72 ms on an H100.
    Two trials may choose differently: a training on CUDA is repeated closely, not to the bit.

    Args:
        device: of the training; on a CPU nothing changes.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class _Meter:
    """Counter of a training's steps; it fetches their terms from the device once a report."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._reset()

    def step(self, progress: float) -> None:
        """Let the trainer take a step, and add its terms up."""
        begin = monotonic()
        for name, value in self._trainer.step(progress).items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._steps += 1
        self._seconds += monotonic() - begin

    def report(self) -> Report:
        """Report the steps since the last report; there must be at least one.

        Raises:
            FailedTrainingError: a loss or a weight is not finite.
        """
        trainer, begin = self._trainer, monotonic()
        sums = torch.stack(list(self._sums.values())).tolist()  # waits for the device
        seconds = self._seconds + monotonic() - begin
        terms = {name: total / self._steps for name, total in zip(self._sums, sums, strict=True)}
        for name, value in terms.items():
            # In float16 a step whose gradient overflows is skipped by design.
            if name != "gradient_norm" and not math.isfinite(value):
                raise FailedTrainingError(f"diverged: the term {name!r} is {value}")
        if not trainer.is_finite:
            raise FailedTrainingError("diverged: a weight is not finite")
        images = self._steps * trainer.recipe.data.batch * parallel.size()
        rate = float(trainer.optimiser.param_groups[0]["lr"])
        self._reset()
        return Report(trainer.iteration, trainer.seconds, images / seconds, rate, terms)

    def _reset(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._steps = 0
        self._seconds = 0.0


def precision_on(device: torch.device, mixed: bool) -> torch.dtype:
    """Choose the type of the generator's computations.

    With mixed precision: bfloat16 on a device that multiplies matrices in it, float16 on other
    GPUs, float32 on other CPUs.
    """
    if not mixed:
        return torch.float32
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    # On a CPU, bfloat16 is faster than float32 only where AMX tiles multiply matrices in it. Older
    # releases of torch do not tell, and float32 is right on every CPU.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if capabilities.get("amx_tile", False) else torch.float32
