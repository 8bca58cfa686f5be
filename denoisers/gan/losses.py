"""The losses: pure functions of tensors, each a scalar to be minimised.

Equations are those of Gong, Liu & Lv 2020. Images are (N, 3, H, W), clean values in [0, 1];
scores are a critic's maps (N, C, h, w), all of whose entries count alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import nn

PixelNorm = Literal["l1", "l2"]
Reduction = Literal["sum_half", "mean"]

_TRUNCATED_TO = (0.0, 100.0)


def scores(critic: nn.Module, *batches: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Score batches of one size in a single forward pass, in float32 even under autocast.

    In a single pass a critic with batch normalisation normalises all batches alike. In several,
    it would take away the very difference of their means that the critic is to find.

    Returns:
        The scores of each batch, in the order given.
    """
    joint = torch.cat(batches).float()
    with torch.autocast(joint.device.type, enabled=False):
        parts: tuple[torch.Tensor, ...] = critic(joint).chunk(len(batches))
    return parts


def gan_discriminator(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 3 for D: ``−E[log D(x)] − E[log(1 − D(x̃))]``, D the sigmoid of the logits."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def gan_generator(fake: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 3 for G: ``−E[log D(x̃)]``, which does not saturate (Goodfellow et al. 2014)."""
    return functional.softplus(-fake).mean()


def wasserstein_critic(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 4 for D: ``E[D(x̃)] − E[D(x)]``, the negative Wasserstein estimate."""
    return fake.mean() - real.mean()


def wasserstein_generator(fake: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 4 for G: ``−E[D(x̃)]``."""
    return -fake.mean()


def truncate(scores: torch.Tensor) -> torch.Tensor:
    """Clamp scores to [0, 100] (Eq. 6–7); those outside lose their gradient."""
    return scores.clamp(*_TRUNCATED_TO)


def interpolate(clean: torch.Tensor, denoised: torch.Tensor, mu: torch.Tensor) -> torch.Tensor:
    """Compute the points of the gradient penalty, ``M = μ·clean + (1 − μ)·G(x)`` (Eq. 8).

    Args:
        clean: clean images, (N, 3, H, W).
        denoised: denoised images, (N, 3, H, W).
        mu: (N,), uniform in [0, 1], one for each sample.

    Returns:
        A leaf tensor (N, 3, H, W) that requires a gradient.
    """
    mu = mu.view(-1, 1, 1, 1)
    return (mu * clean + (1 - mu) * denoised).detach().requires_grad_()


def gradient_penalty(scores: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Compute ``E[(‖∇_M D(M)‖₂ − 1)²]`` (Eq. 5, 9 and 10), the norm taken for each sample.

    Eq. 10 prints the reciprocal of the square, which would reward norms far from 1. It is read as
    Eq. 5 (Gulrajani et al. 2017). D(M) is the mean of a sample's scores.

    Args:
        scores: the critic's for the points, not truncated, in float32.
        points: from `interpolate`.
    """
    per_sample = scores.flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(per_sample.sum(), points, create_graph=True)
    norms = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (norms - 1).square().mean()


def clip_weights(critic: nn.Module, limit: float) -> None:
    """Hold every weight in [−limit, limit], in place (Arjovsky et al. 2017)."""
    with torch.no_grad():
        for weight in critic.parameters():
            weight.clamp_(-limit, limit)


def pixel(
    estimate: torch.Tensor, clean: torch.Tensor, norm: PixelNorm, reduction: Reduction
) -> torch.Tensor:
    """Compute the distance of the denoised image from the clean one.

    Args:
        estimate: denoised images, (N, 3, H, W).
        clean: clean images, (N, 3, H, W).
        norm: ``l2`` squares the differences, ``l1`` takes their absolute values.
        reduction: ``sum_half`` is half the sum over the whole batch, as in the programs that the
            paper's factors come from; ``mean`` is the mean over all values. At the paper's sizes
            the first is five orders of magnitude larger.
    """
    difference = estimate - clean
    return _reduce(difference.square() if norm == "l2" else difference.abs(), reduction)


def feature(
    estimate_features: torch.Tensor, clean_features: torch.Tensor, reduction: Reduction
) -> torch.Tensor:
    """Compute the squared distance of features.

    The features are the critic's (feature matching, Salimans et al. 2016) or those of VGG.

    Args:
        estimate_features: features of the denoised images, (N, C, h, w).
        clean_features: features of the clean images, (N, C, h, w).
        reduction: ``sum_half`` is half the sum over the batch divided by C, ``mean`` the mean.
    """
    loss = _reduce((estimate_features - clean_features).square(), reduction)
    return loss / clean_features.shape[1] if reduction == "sum_half" else loss


def smoothness(estimate: torch.Tensor, reduction: Reduction) -> torch.Tensor:
    """Compute the total variation: squared differences of neighbours, in both directions.

    Args:
        estimate: (N, 3, H, W).
        reduction: ``sum_half`` is half the sum over the batch, ``mean`` the mean for each
            direction, added.
    """
    down = (estimate[..., 1:, :] - estimate[..., :-1, :]).square()
    across = (estimate[..., 1:] - estimate[..., :-1]).square()
    return _reduce(down, reduction) + _reduce(across, reduction)


def colour_cross_entropy(estimate: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """Compute the cross-entropy of each pixel's distribution over its channels (Eq. 1–2).

    ``−E[Σ_c softmax(clean)_c · log softmax(estimate)_c]``, the mean over all pixels. Eq. 2 lacks
    the minus sign and takes class labels, which images do not have; it is read as a colour term. It
    is least where the estimate's channels differ as the clean pixel's do, at any brightness.
    """
    log_estimate = functional.log_softmax(estimate, dim=1)
    return -(functional.softmax(clean, dim=1) * log_estimate).sum(1).mean()


def _reduce(values: torch.Tensor, reduction: Reduction) -> torch.Tensor:
    return values.sum() / 2 if reduction == "sum_half" else values.mean()
