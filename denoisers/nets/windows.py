"""Attention within windows, shifted or not (Liu et al., Swin Transformer, ICCV 2021).

Features are (N, H, W, C); of windows of w × w pixels, (N, n, w², C), n windows in rows.
"""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["attend", "merge", "partition", "relative_index", "shift_mask"]

_AT_ONCE = 1024  # windows


def partition(x: torch.Tensor, window: int) -> torch.Tensor:
    """Cut features (N, H, W, C) into windows (N, n, w², C); sides are multiples of w.

    Examples:
        >>> partition(torch.zeros(1, 8, 12, 5), 4).shape
        torch.Size([1, 6, 16, 5])
    """
    n, height, width, channels = x.shape
    x = x.reshape(n, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(n, -1, window * window, channels)


def merge(windows: torch.Tensor, window: int, height: int, width: int) -> torch.Tensor:
    """Put windows (N, n, w², C) together to features (N, H, W, C): the inverse of `partition`.

    Examples:
        >>> x = torch.rand(2, 8, 12, 5)
        >>> bool((merge(partition(x, 4), 4, 8, 12) == x).all())
        True
    """
    n, channels = len(windows), windows.shape[-1]
    x = windows.reshape(n, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(n, height, width, channels)


def attend(
    qkv: torch.Tensor, heads: int, bias: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Let the pixels of each window attend to each other: softmax(QKᵀ/√d + B) V.

    Args:
        qkv: (N, n, w², 3C): queries, keys and values, each of all heads.
        heads: number of heads, d = C / heads.
        bias: B, (heads, w², w²).
        mask: added to B, (n, 1, w², w²), as `shift_mask` makes it; None for none.

    Returns:
        (N, n, w², C).

    Examples:
        >>> attend(torch.zeros(1, 2, 16, 12), heads=2, bias=torch.zeros(2, 16, 16)).shape
        torch.Size([1, 2, 16, 4])
    """
    parts = qkv.split(_AT_ONCE, dim=1)  # products of all windows together would fill the memory
    masks = [None] * len(parts) if mask is None else mask.split(_AT_ONCE)
    found = [
        _attend(part, heads, bias if one is None else bias + one)
        for part, one in zip(parts, masks, strict=True)
    ]
    return torch.cat(found, dim=1)


def _attend(qkv: torch.Tensor, heads: int, bias: torch.Tensor) -> torch.Tensor:
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(3, 0, 1, 4, 2, 5)
    mask = bias.to(q.dtype).expand(*q.shape[:2], -1, -1, -1)
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(2, 3).flatten(3)


def shift_mask(height: int, width: int, window: int, device: torch.device) -> torch.Tensor:
    """Mark the pairs of pixels that only a cyclic shift by half a window brings together.

    Returns:
        (n, 1, w², w²): -inf for those pairs, else 0.

    Examples:
        >>> mask = shift_mask(8, 8, 4, torch.device("cpu"))
        >>> [int(one.isinf().sum()) for one in mask]
        [0, 128, 128, 192]
    """
    rows, columns = (_side(length, window, device) for length in (height, width))
    part = partition((3 * rows[:, None] + columns)[None, ..., None], window)[0, ..., 0]
    apart = part[:, None, :, None] != part[:, None, None, :]
    return torch.zeros(apart.shape, device=device).masked_fill(apart, float("-inf"))


def _side(length: int, window: int, device: torch.device) -> torch.Tensor:
    """Mark the parts of a shifted side: 2 for the part that came round, 1 beside it, else 0."""
    place = torch.arange(length, device=device)
    return (place >= length - window).long() + (place >= length - window // 2).long()


def relative_index(window: int) -> torch.Tensor:
    """Return the places of pairs of pixels in a table by their distance, (w², w²).

    The table has (2w - 1)² entries, in rows of the vertical distance from 1 - w to w - 1.

    Examples:
        >>> relative_index(2)[0]
        tensor([4, 3, 1, 0])
    """
    place = torch.arange(window * window)
    down, right = ((p[:, None] - p + window - 1) for p in (place // window, place % window))
    return down * (2 * window - 1) + right
