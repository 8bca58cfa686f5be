"""Estimation of the shift of an estimate against its clean frame: a pure function of two frames.

A filter whose window has an even width, or a network that pads on one side, moves the image by half
a pixel. PSNR falls by decibels then, and no score says why. Blur and noise alone move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["NOTICEABLE", "Shift", "estimate_shift"]

NOTICEABLE = 0.1
"""Length in pixels from which a shift is remarked on."""

_LARGEST = 512  # pixels; of larger frames, the middle is taken
_SMALLEST = 16  # pixels; smaller frames hold too few
_BLUR = 1.0  # standard deviation in pixels of the blur that leaves noise and rounding out
_BLURS = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0)  # standard deviations in pixels
_HIGHEST = 0.75 * np.pi  # radians a pixel; the blur leaves nothing above
_REPEATED = 2.25  # a Hann window makes 1.5 neighbouring frequencies alike, each way
_STEPS = 4  # Newton steps from the nearest whole pixel; they converge quadratically
_UNKNOWN = 0.02
"""Standard error in pixels above which a shift is not known."""


@dataclass(frozen=True)
class Shift:
    """Shift of an estimate against its clean frame.

    Attributes:
        down: in pixels; below 0 for an estimate that is moved up.
        right: in pixels; below 0 for an estimate that is moved to the left.
        error: standard error of either, in pixels.

    Examples:
        >>> Shift(0.3, -0.4, 0.01).distance
        0.5
    """

    down: float
    right: float
    error: float

    @property
    def distance(self) -> float:
        """Length of the shift in pixels."""
        return float(np.hypot(self.down, self.right))


def estimate_shift(clean: np.ndarray, estimate: np.ndarray) -> Shift | None:
    """Estimate the shift at which the gradients of two frames correlate most.

    The correlation of blurred gradients is a function of the shift whose maximum is found in the
    Fourier domain by Newton's method. A symmetric blur and noise that knows nothing of the frame
    leave the maximum where it is. The standard error is that of a least-squares fit whose residuals
    may differ from frequency to frequency (White 1980, "A heteroskedasticity-consistent covariance
    matrix estimator and a direct test for heteroskedasticity").

    Args:
        clean: uint8 (H, W, C).
        estimate: uint8 (H, W, C), of the same shape.

    Returns:
        None if the shift cannot be told: the frame is too small or too smooth, or the estimate has
        too little to do with it.

    Examples:
        >>> frame = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
        >>> round(estimate_shift(frame, np.roll(frame, 1, axis=1)).right, 1)
        1.0
        >>> estimate_shift(np.full((64, 64, 1), 128, np.uint8), frame) is None
        True
    """
    first, second = _curvature(clean), _curvature(estimate)
    if min(first.shape) < _SMALLEST:
        return None
    found = _peak(first, second)
    if found is None:
        return None
    # A window does not see a blurred frame as it sees the frame: the clean one is blurred alike.
    found = _peak(_blurred_like(first, second, found), second)
    return found if found is not None and found.error <= _UNKNOWN else None


def _peak(first: np.ndarray, second: np.ndarray) -> Shift | None:
    """Return the shift at which two frames' gradients correlate most; None if there is no peak.

    Args:
        first: curvature of the clean frame, (h, w).
        second: curvature of the estimate, (h, w).
    """
    cross, rounding = _correlation(first, second)
    place = _nearest_pixel(cross, first.shape)
    rows, columns = _frequencies(first.shape)
    low = np.abs(rows[:, 0]) < _HIGHEST, np.abs(columns[0]) < _HIGHEST
    rows, columns = rows[low[0]], columns[:, low[1]]
    cross, rounding = cross[np.ix_(*low)], rounding[np.ix_(*low)]
    for _ in range(_STEPS):
        turned = cross * np.exp(1j * (rows * place[0] + columns * place[1]))
        slope = np.array([np.sum(k * turned.imag) for k in (rows, columns)])
        steepness = _moments(rows, columns, turned.real)
        if not np.linalg.eigvalsh(steepness)[0] > 0:
            return None
        place = place - np.linalg.solve(steepness, slope)
    inverse = np.linalg.inv(steepness)
    covariance = inverse @ _moments(rows, columns, turned.imag**2 + rounding) @ inverse
    error = float(np.sqrt(_REPEATED * np.linalg.eigvalsh(covariance)[-1]))
    return Shift(float(place[0]), float(place[1]), error)


def _blurred_like(first: np.ndarray, second: np.ndarray, shift: Shift) -> np.ndarray:
    """Blur the clean frame's curvature by the Gaussian that makes it most like the estimate's.

    Args:
        first: curvature of the clean frame, (h, w).
        second: curvature of the estimate, (h, w).
        shift: a first estimate of the shift between them.
    """
    moved = _moved(_moved(second, shift.down).T, shift.right).T
    window = _window(first.shape) ** 2
    blurred = [first, *(_blurred(first, blur) for blur in _BLURS)]
    alike = [
        np.sum(window * moved * one) / max(np.sqrt(np.sum(window * one**2)), 1e-9)
        for one in blurred
    ]
    return blurred[int(np.argmax(alike))]


def _moved(frame: np.ndarray, up: float) -> np.ndarray:
    """Return a frame, (h, w), moved up by linear interpolation; its edges are repeated."""
    last = len(frame) - 1
    places = np.clip(np.arange(len(frame)) + up, 0, last)
    above = places.astype(int)
    share = (places - above)[:, None]
    moved: np.ndarray = (1 - share) * frame[above] + share * frame[np.minimum(above + 1, last)]
    return moved


def _blurred(frame: np.ndarray, blur: float) -> np.ndarray:
    """Return a frame, float64 (h, w), blurred by a Gaussian that ends at four deviations."""
    import cv2  # not scipy, which takes ten times as long to import

    width = 2 * round(4 * blur) + 1
    blurred: np.ndarray = cv2.GaussianBlur(
        frame, (width, width), blur, borderType=cv2.BORDER_REFLECT
    )
    return blurred


def _curvature(frame: np.ndarray) -> np.ndarray:
    """Return the Laplacian of the middle of a frame's grey values, float64 (h, w).

    Flat and evenly shaded parts, which tell no shift, become 0 before a window shades them.
    """
    height, width = frame.shape[:2]
    top, left = max(0, height - _LARGEST) // 2, max(0, width - _LARGEST) // 2
    grey = frame[top : top + _LARGEST, left : left + _LARGEST].mean(axis=2)
    across = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
    curvature: np.ndarray = across - 4 * grey[1:-1, 1:-1]
    return curvature


def _correlation(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the transform of the correlation of two frames' gradients below a blur.

    Args:
        first: curvature of the clean frame, (h, w).
        second: curvature of the estimate, (h, w).

    Returns:
        The transform, complex (h, w // 2 + 1), and the variance that rounding both frames to 8 bit
        gives to its imaginary part, of the same shape.
    """
    window = _window(first.shape)
    rows, columns = _frequencies(first.shape)
    square = rows**2 + columns**2
    # Curvatures bring the frequency to its fourth power, gradients to its second.
    weight = np.exp(-square * _BLUR**2) / np.maximum(square, square[0, 1])
    clean = weight * np.fft.rfft2(window * first)
    rounding = np.abs(clean) ** 2 * square**2 * np.sum(window**2) / 12
    return np.conj(clean) * np.fft.rfft2(window * second), rounding


def _window(shape: tuple[int, ...]) -> np.ndarray:
    """Return a Hann window, (h, w)."""
    window: np.ndarray = np.outer(*(np.hanning(size + 2)[1:-1] for size in shape))
    return window


def _frequencies(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies in radians a pixel, down (h, 1) and right (1, w // 2 + 1)."""
    height, width = shape
    return (
        2 * np.pi * np.fft.fftfreq(height)[:, None],
        2 * np.pi * np.fft.rfftfreq(width)[None],
    )


def _nearest_pixel(cross: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the whole shift, down and right, at which a correlation is largest."""
    correlation = np.fft.irfft2(cross, s=shape)
    peak = np.array(np.unravel_index(np.argmax(correlation), shape))
    place: np.ndarray = (peak + np.array(shape) // 2) % shape - np.array(shape) // 2.0
    return place


def _moments(rows: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the second moments of frequencies under a weight, (2, 2)."""
    mixed = np.sum(rows * columns * weight)
    return np.array([[np.sum(rows**2 * weight), mixed], [mixed, np.sum(columns**2 * weight)]])
