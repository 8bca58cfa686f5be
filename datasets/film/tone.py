"""High dynamic range to standard: what a screen of 203 cd/m² shows of a master of 1000 cd/m².

Formulas: ITU-R BT.2100-2 (PQ and HLG), BT.2087 (primaries), BT.2390-8 section 5.4.1 (the knee),
BT.2408 (203 cd/m² as the white of a page), BT.1886 (the screen's gamma).
"""

from __future__ import annotations

import numpy as np

PQ, HLG = "PQ", "HLG"
_ROWS = 256  # at a time: a light takes several times the memory of its pixel
MASTER, SCREEN = 1000.0, 203.0  # peaks in cd/m²

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
_SYSTEM_GAMMA = 1.2  # HLG's, on a screen of 1000 cd/m²
_BT709_OF_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)


def to_sdr(pixels: np.ndarray, transfer: str) -> np.ndarray:
    """Tone-map pixels; below the knee, at about 90 cd/m², luminance is kept.

    Args:
        pixels: uint8 or uint16 (H, W, 3), full range, BT.2020 primaries.
        transfer: `PQ` or `HLG`.

    Returns:
        uint8 (H, W, 3), BT.709 primaries, for a display gamma of 2.4.
    """
    parts = range(0, pixels.shape[0], _ROWS)
    return np.concatenate([_toned(pixels[top : top + _ROWS], transfer) for top in parts])


def _toned(pixels: np.ndarray, transfer: str) -> np.ndarray:
    signal = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    light = _pq_light(signal) if transfer == PQ else _hlg_light(signal)
    light = np.clip(light @ _BT709_OF_BT2020.T, 0, None)
    peak = light.max(axis=-1, keepdims=True)
    light *= _knee(peak) / np.maximum(peak, 1e-6)
    return np.rint(255 * np.clip(light / SCREEN, 0, 1) ** (1 / 2.4)).astype(np.uint8)


def _pq_light(signal: np.ndarray) -> np.ndarray:
    """Light in cd/m² of a PQ signal in [0, 1]."""
    power = signal ** (1 / _M2)
    return 10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def _pq_signal(light: np.ndarray | float) -> np.ndarray:
    power = (np.asarray(light, np.float32) / 10000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    """Light in cd/m² on a screen of 1000 cd/m², of an HLG signal in [0, 1]."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = (scene @ _LUMINANCE)[..., np.newaxis]
    return MASTER * luminance ** (_SYSTEM_GAMMA - 1) * scene


def _knee(light: np.ndarray) -> np.ndarray:
    """Compress light above the knee by BT.2390's Hermite spline, in PQ's perceptual scale."""
    whole = _pq_signal(MASTER)
    top = _pq_signal(SCREEN) / whole
    knee = 1.5 * top - 0.5
    given = np.minimum(_pq_signal(light) / whole, 1)
    t = np.maximum(given - knee, 0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * top
    )
    return _pq_light(np.where(given < knee, given, spline) * whole)
