"""Synthetic noises; none of them is a camera's.

A noise is a dataclass of parameters with one method, ``add``. Its strength is ``sigma``, as
everywhere: its standard deviation, or what the class says.
"""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from denoisebench.errors import UsageError, unknown
from denoisebench.parameters import defaults, overrides, spec, split_name
from denoisebench.protocol.pixels import add_frame, as_float, quantise

__all__ = [
    "NOISES",
    "WHITE_GAUSSIAN",
    "Correlated",
    "Gaussian8Bit",
    "Jpeg",
    "Noise",
    "PoissonGaussian",
    "Uneven",
    "WhiteGaussian",
    "noise_parameters",
    "noise_spec",
    "rms",
    "select_noise",
]

_JPEG_SIDE = 65535  # pixels; the format's limit


class Noise(Protocol):
    """Interface of a noise: a frozen dataclass of parameters.

    Attributes:
        name: its name on the command line.
        words: its description in a table's footer and in the protocol.
    """

    name: ClassVar[str]
    words: ClassVar[str]

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """Write the noisy frame.

        Args:
            clean: uint8 (H, W, C).
            sigma: strength on the scale on which clean values lie in [0, 1], at least 0.
            generator: the only source of chance.
            out: float32 (H, W, C), takes the result; clipped or quantised only where that is part
                of the noise.
        """
        ...


@dataclass(frozen=True)
class WhiteGaussian:
    """Additive white Gaussian noise of standard deviation sigma: the default.

    Examples:
        >>> clean = np.full((64, 64, 3), 128, np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> WhiteGaussian().add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> round(255 * rms(noisy, as_float(clean)))
        25
    """

    name: ClassVar[str] = "gaussian"
    words: ClassVar[str] = "additive white Gaussian"

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        generator.standard_normal(out.shape, dtype=np.float32, out=out)
        out *= np.float32(sigma)
        add_frame(clean, out)


@dataclass(frozen=True)
class Gaussian8Bit:
    """White Gaussian noise as a file keeps it: clipped to [0, 1] and rounded to 8 bit.

    Examples:
        >>> clean = np.zeros((64, 64, 3), np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> Gaussian8Bit().add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> float(noisy.min())
        0.0
    """

    name: ClassVar[str] = "gaussian-8bit"
    words: ClassVar[str] = "white Gaussian, then clipped and rounded to 8 bit"

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        WhiteGaussian().add(clean, sigma, generator, out)
        out[:] = as_float(quantise(out))


@dataclass(frozen=True)
class PoissonGaussian:
    """Photon and read noise of a linear sensor (Foi et al. 2008).

    At intensity x the variance is a·x + b, with a = 2·shot·sigma² and b = (1 − shot)·sigma². So
    sigma is the standard deviation at mid-grey, x = 1/2.

    Attributes:
        shot: the photons' share of the variance at mid-grey, 0 to 1.

    Raises:
        ValueError: ``shot`` is out of its range.

    Examples:
        >>> clean = np.full((64, 64, 3), 128, np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> PoissonGaussian(shot=1.0).add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> round(255 * rms(noisy, as_float(clean)))
        25
    """

    shot: float = 0.8

    name: ClassVar[str] = "poisson-gaussian"
    words: ClassVar[str] = "Poisson and Gaussian, of standard deviation sigma at mid-grey"

    def __post_init__(self) -> None:
        if not 0 <= self.shot <= 1:
            raise ValueError("shot is a share, between 0 and 1")

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        WhiteGaussian().add(clean, sigma * math.sqrt(1 - self.shot), generator, out)
        photon = 2 * self.shot * sigma**2  # the intensity of one photon
        if photon > 0:
            real = as_float(clean)
            out += photon * generator.poisson(real / photon) - real


@dataclass(frozen=True)
class Correlated:
    """Gaussian noise of standard deviation sigma, correlated between pixels, not between channels.

    It is white noise under a Gaussian window: values at a distance of d pixels correlate by about
    exp(−d² / 4 width²). The camera noise of CC15 (Nam et al. 2016) has 0.70 at one pixel and 0.36
    at two; the default has 0.78 and 0.37.

    Attributes:
        width: standard deviation of the window in pixels, above 0 and at most 32.

    Raises:
        ValueError: ``width`` is out of its range.

    Examples:
        >>> clean = np.full((256, 256, 3), 128, np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> Correlated(width=1.0).add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> round(255 * rms(noisy, as_float(clean)))
        25
    """

    width: float = 1.0

    name: ClassVar[str] = "correlated"
    words: ClassVar[str] = "Gaussian, correlated between neighbouring pixels"

    def __post_init__(self) -> None:
        if not 0 < self.width <= 32:
            raise ValueError("width is in pixels, above 0 and at most 32")

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        height, width, channels = clean.shape
        window = self.window
        padding = len(window) - 1
        white = generator.standard_normal((height + padding, width + padding, channels), np.float32)
        # Sums of products in this order have the same bits on every host. A library's filter does
        # not promise that.
        rows = sum(weight * white[k : k + height] for k, weight in enumerate(window))
        out[:] = sum(weight * rows[:, k : k + width] for k, weight in enumerate(window))
        out *= np.float32(sigma)
        add_frame(clean, out)

    @property
    def window(self) -> np.ndarray:
        """Window along one axis, float32, of unit energy: white noise keeps its variance."""
        reach = math.ceil(4 * self.width)
        weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * self.width**2))
        window: np.ndarray = (weights / np.sqrt((weights**2).sum())).astype(np.float32)
        return window


@dataclass(frozen=True)
class Uneven:
    """White Gaussian noise whose variance grows from left to right, with mean sigma².

    Methods are tried on spatially variant noise since Zhang et al. 2018 (FFDNet, IV-E).

    Attributes:
        contrast: the variance goes from (1 − contrast) to (1 + contrast) times sigma²; 0 to 1.

    Raises:
        ValueError: ``contrast`` is out of its range.

    Examples:
        >>> clean = np.full((64, 64, 3), 128, np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> Uneven(contrast=1.0).add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> real = as_float(clean)
        >>> rms(noisy[:, :16], real[:, :16]) < rms(noisy[:, 48:], real[:, 48:])
        True
    """

    contrast: float = 0.9

    name: ClassVar[str] = "uneven"
    words: ClassVar[str] = "white Gaussian, its variance growing from left to right"

    def __post_init__(self) -> None:
        if not 0 <= self.contrast <= 1:
            raise ValueError("contrast is between 0 and 1")

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        generator.standard_normal(out.shape, dtype=np.float32, out=out)
        out *= (sigma * np.sqrt(self.variance(clean.shape[1]))).astype(np.float32)[:, np.newaxis]
        add_frame(clean, out)

    def variance(self, width: int) -> np.ndarray:
        """Return the variance of each column in units of sigma², (width,); their mean is 1.

        Examples:
            >>> Uneven(contrast=1.0).variance(4).tolist()
            [0.25, 0.75, 1.25, 1.75]
        """
        place = (np.arange(width) + 0.5) / width
        return 1 + self.contrast * (2 * place - 1)


@dataclass(frozen=True)
class Jpeg:
    """White Gaussian noise of standard deviation sigma, clipped, rounded and compressed as JPEG.

    Attributes:
        quality: quality of the JPEG, 1 to 100, with 4:2:0 chroma, as Pillow's encoder scales it.

    Raises:
        ValueError: ``quality`` is out of its range.

    Examples:
        >>> clean = np.full((64, 64, 3), 128, np.uint8)
        >>> noisy = np.empty(clean.shape, np.float32)
        >>> Jpeg(quality=20).add(clean, 25 / 255, np.random.default_rng(1), noisy)
        >>> 0 < 255 * rms(noisy, as_float(clean)) < 25
        True
    """

    quality: int = 80

    name: ClassVar[str] = "jpeg"
    words: ClassVar[str] = "white Gaussian, then clipped, rounded to 8 bit and JPEG-compressed"

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise ValueError("quality is between 1 and 100")

    def add(
        self, clean: np.ndarray, sigma: float, generator: np.random.Generator, out: np.ndarray
    ) -> None:
        """See `Noise.add`."""
        from PIL import Image

        if max(clean.shape) > _JPEG_SIDE:
            raise UsageError(f"--noise jpeg: a frame has more than {_JPEG_SIDE} pixels a side")
        WhiteGaussian().add(clean, sigma, generator, out)
        file = io.BytesIO()
        image = Image.fromarray(quantise(out).squeeze(2) if out.shape[2] == 1 else quantise(out))
        image.save(file, "jpeg", quality=self.quality, subsampling="4:2:0")
        with Image.open(file) as decoded:
            out[:] = as_float(np.asarray(decoded)).reshape(out.shape)


NOISES: dict[str, type[Noise]] = {
    noise.name: noise
    for noise in (WhiteGaussian, Gaussian8Bit, PoissonGaussian, Correlated, Uneven, Jpeg)
}
"""Noises by their names on the command line."""

WHITE_GAUSSIAN = WhiteGaussian()
"""The default noise."""


def select_noise(expression: str) -> Noise:
    """Return the noise that an expression ``name[param=value,…]`` stands for.

    Raises:
        UsageError: the name (near matches are listed), a parameter or a value is unknown.

    Examples:
        >>> select_noise("jpeg[quality=50]")
        Jpeg(quality=50)
    """
    name, arguments = split_name("noise", expression.strip())
    if name not in NOISES:
        raise UsageError(unknown("noise", name, NOISES))
    return NOISES[name](**dict(overrides(name, NOISES[name], arguments)))


def noise_spec(noise: Noise) -> str:
    """Return the one expression that selects a noise; parameters at their defaults are left out.

    Examples:
        >>> noise_spec(Jpeg(quality=50)), noise_spec(Jpeg(quality=80))
        ('jpeg[quality=50]', 'jpeg')
    """
    usual = defaults(type(noise))
    chosen = {k: v for k, v in noise_parameters(noise).items() if v != usual[k]}
    return spec(noise.name, tuple(sorted(chosen.items())))


def noise_parameters(noise: Noise) -> dict[str, Any]:
    """Return all parameters of a noise by name.

    Examples:
        >>> noise_parameters(Jpeg())
        {'quality': 80}
    """
    found: dict[str, Any] = asdict(noise)  # type: ignore[call-overload]
    return found


def rms(noisy: np.ndarray, clean: np.ndarray) -> float:
    """Return the root mean square of the noise in a frame.

    Args:
        noisy: float32 (H, W, C).
        clean: float32 (H, W, C), on the same scale.

    Returns:
        Root mean square of their difference, on that scale.

    Examples:
        >>> clean = np.zeros((2, 2, 1), np.float32)
        >>> rms(clean + 0.5, clean)
        0.5
    """
    difference = noisy.astype(np.float64) - clean
    return float(np.sqrt(np.mean(difference**2)))
