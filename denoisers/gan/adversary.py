"""The critic in training: its own step, and its judgement of the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from denoisebench.denoisers.gan import losses, parallel
from denoisebench.denoisers.gan.adam import load_adam, make_adam, set_rate
from denoisebench.denoisers.gan.networks import build_critic

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.recipe import AdversarySpec


class Adversary:
    """A critic, its objective and its optimiser.

    It computes in float32 throughout: the penalty needs that, and its work is small beside the
    generator's.

    Args:
        spec: the recipe's part on the adversary.
        device: device of the critic.
    """

    def __init__(self, spec: AdversarySpec, device: torch.device) -> None:
        self.spec = spec
        self.critic = build_critic(spec.critic).to(device, memory_format=torch.channels_last)
        self.optimiser = make_adam(self.critic, spec.learning_rate, spec.betas)

    def set_rate(self, rate: float) -> None:
        """Set the share of the full learning rate, from 0 to 1, for the steps to come."""
        set_rate(self.optimiser, rate * self.spec.learning_rate)

    def step(
        self, clean: torch.Tensor, denoised: torch.Tensor, random: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Train the critic by one step to tell clean images from denoised ones.

        Args:
            clean: clean images, (N, 3, H, W).
            denoised: denoised images, (N, 3, H, W).
            random: draws μ of Eq. 8.

        Returns:
            ``critic``, its loss; ``wasserstein``, E[D(x)] − E[D(x̃)]; and ``penalty``, before λ,
            where there is one.
        """
        self.critic.requires_grad_(True)
        loss, terms = self._loss(clean, denoised, random)
        self.optimiser.zero_grad()
        loss.backward()
        parallel.average([weight.grad for weight in self.critic.parameters()])
        self.optimiser.step()
        if self.spec.clip is not None:
            losses.clip_weights(self.critic, self.spec.clip)
        return {"critic": loss.detach()} | terms

    def judge(
        self, estimate: torch.Tensor, clean: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Compute the generator's adversarial loss, and the critic's features of both images."""
        self.critic.requires_grad_(False)
        both = losses.scores(self.critic.features, estimate, clean)
        fake, _ = losses.scores(self.critic.head, *both)
        if self.spec.loss == "gan":
            return losses.gan_generator(fake), both
        return losses.wasserstein_generator(self._truncated(fake)), both

    def state(self) -> dict[str, Any]:
        """Collect the state that a checkpoint keeps."""
        return {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore the state that a checkpoint kept."""
        self.critic.load_state_dict(state["critic"])
        load_adam(self.optimiser, state["optimiser"])

    def _loss(
        self, clean: torch.Tensor, denoised: torch.Tensor, random: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the critic's loss, and the terms to report beside it."""
        if self.spec.penalty is None:
            real, fake = losses.scores(self.critic, clean, denoised)
            return self._objective(real, fake), _estimate(real, fake)
        mu = torch.rand(len(clean), generator=random, device=clean.device)
        points = losses.interpolate(clean, denoised, mu)
        real, fake, between = losses.scores(self.critic, clean, denoised, points)
        penalty = losses.gradient_penalty(between, points)
        terms = _estimate(real, fake) | {"penalty": penalty.detach()}
        return self._objective(real, fake) + self.spec.penalty * penalty, terms

    def _objective(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        if self.spec.loss == "gan":
            return losses.gan_discriminator(real, fake)
        return losses.wasserstein_critic(self._truncated(real), self._truncated(fake))

    def _truncated(self, scores: torch.Tensor) -> torch.Tensor:
        return losses.truncate(scores) if self.spec.truncate_scores else scores


def _estimate(real: torch.Tensor, fake: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"wasserstein": (real.mean() - fake.mean()).detach()}
