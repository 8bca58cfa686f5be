"""Frames reach a method as it takes them, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from denoisebench.denoisers import registry
from denoisebench.machine.transfer import device_of, without_gradients

CARDS = registry.cards()


@pytest.mark.parametrize("method", ["gaussian", "nlm-native", "residual-cnn"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_method_gets_a_copy_that_comes_back_unchanged(method: str, channels: int) -> None:
    frame = np.random.default_rng(0).random((5, 7, channels), np.float32)
    before = frame.copy()
    device = device_of(CARDS[method], "cpu")
    given, upload_ns = device.upload(frame)
    np.testing.assert_array_equal(device.download(given)[0], frame)
    assert upload_ns is None  # nothing moves from the CPU to the CPU
    given += 1
    np.testing.assert_array_equal(frame, before)


def test_gradients_are_off_for_as_long_as_a_method_works() -> None:
    for method, device in (("gaussian", "cpu"), ("nlm-native", "cpu")):
        with without_gradients(CARDS[method], device):
            assert torch.is_grad_enabled()
    for method, device in (("residual-cnn", "cpu"), ("nlm-native", "cuda")):
        with without_gradients(CARDS[method], device):
            assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
