"""Learned dictionaries: K-SVD, and denoising by sparse sums of their atoms.

Elad & Aharon, "Image denoising via sparse and redundant representations over learned
dictionaries", IEEE TIP 15(12), 2006; Aharon, Elad & Bruckstein, "K-SVD", IEEE TSP 54(11), 2006;
Rubinstein, Zibulevsky & Elad, "Efficient implementation of the K-SVD algorithm using batch
orthogonal matching pursuit", Technion 2008. Patches are coded without their means.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.compiled import kernel

__all__ = [
    *("code_patches", "coverage", "dct_atoms", "denoise_by_dictionary", "draw_patches", "learn"),
    *("pursue", "replace_atoms", "tolerance", "update_atom", "update_atoms"),
]

_SIDE = 8  # of a patch
_SIZE = _SIDE * _SIDE
_ATOMS = 256
_MOST_ATOMS = 32  # in a patch: half of its dimensions, as in the authors' program
_LAMBDA = 30 / 255
_SWEEPS = 2  # over the atoms a round: the atoms learn faster than by more rounds, at less cost
_RARE = 1 / 500  # of the patches: atoms that fewer use are replaced
_ALIKE = 0.99  # product of two atoms of which one is replaced
_CANDIDATES = 4  # positions drawn a patch to learn from: flat patches teach nothing
_BAND = 16  # rows of patches that one thread codes at a time; at least _SIDE
_RUN = 64  # patches whose products with the atoms are computed together
_ONE = np.float32(1)
_DEPENDENT = np.float32(1e-5)  # an atom's squared distance from the span of the chosen ones
_MAGNITUDE = np.int32(0x7FFFFFFF)  # all bits of a float32 but its sign


def denoise_by_dictionary(
    plane: np.ndarray, sigma: float, *, gain: float, rounds: int, examples: int
) -> np.ndarray:
    """Denoise one channel by a dictionary that is learned from it.

    The estimate minimises Eq. 8 of Elad & Aharon for given codes: in each pixel a mean of the noisy
    value, of weight lambda = 30 / sigma (on the 8-bit scale), and of the coded patches there::

        (lambda noisy + sum of patches) / (lambda + number of patches)

    Args:
        plane: float32 (H, W), at least 8 × 8, clean values in [0, 1].
        sigma: standard deviation of the noise, above 0.
        gain: see `tolerance`.
        rounds: see `learn`.
        examples: patches that the dictionary is learned from, at most.
    """
    from threadpoolctl import threadpool_limits

    bound = tolerance(sigma, gain)
    total = np.zeros_like(plane)
    with threadpool_limits(1, user_api="blas"):  # the kernels' threads call it, each for itself
        atoms = learn(draw_patches(plane, bound, examples), dct_atoms(), bound, rounds)
        _add_coded(plane, atoms, np.ascontiguousarray(atoms.T), atoms @ atoms.T, bound, total)
    weight = np.float32(_LAMBDA / sigma)
    total += weight * plane
    total /= weight + np.outer(*map(coverage, plane.shape))
    return total


def tolerance(sigma: float, gain: float) -> float:
    """Return the squared distance that a coded patch keeps from the noisy one: 64 (gain sigma)².

    Examples:
        >>> round(tolerance(0.1, 1.15), 4)
        0.8464
    """
    return _SIZE * (gain * sigma) ** 2


def coverage(length: int) -> np.ndarray:
    """Return how many patches along an axis cover each of its pixels, float32.

    Examples:
        >>> coverage(10).tolist()
        [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 1.0]
    """
    return np.convolve(np.ones(length - _SIDE + 1, np.float32), np.ones(_SIDE, np.float32))


def dct_atoms() -> np.ndarray:
    """Return the overcomplete DCT: 256 atoms of 8 × 8 pixels, float32 (256, 64).

    Each is a product of two of 16 cosines. All have unit norm, all but the first zero mean.

    Examples:
        >>> atoms = dct_atoms()
        >>> bool(np.allclose((atoms**2).sum(1), 1) and abs(atoms[1:].sum(1)).max() < 1e-5)
        True
    """
    count = math.isqrt(_ATOMS)
    cosines = np.cos(np.pi * np.outer(np.arange(count), np.arange(_SIDE)) / count)
    cosines[1:] -= cosines[1:].mean(1, keepdims=True)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    return np.kron(cosines, cosines).astype(np.float32)


def draw_patches(plane: np.ndarray, bound: float, examples: int) -> np.ndarray:
    """Return patches that differ from their means by more than noise does, float32 (N, 64).

    Small frames give all of theirs, large ones those at positions that are drawn by a fixed seed.

    Args:
        plane: float32 (H, W).
        bound: see `tolerance`.
        examples: largest N.
    """
    rows, columns = (length - _SIDE + 1 for length in plane.shape)
    count, drawn = rows * columns, _CANDIDATES * examples
    generator = np.random.Generator(np.random.Philox(0))
    positions = generator.integers(0, count, drawn) if drawn < count else np.arange(count)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (_SIDE, _SIDE))
    patches = windows[positions // columns, positions % columns].reshape(-1, _SIZE)
    patches -= patches.mean(1, keepdims=True)
    chosen: np.ndarray = patches[(patches**2).sum(1) > bound][:examples]
    return chosen


def learn(patches: np.ndarray, atoms: np.ndarray, bound: float, rounds: int) -> np.ndarray:
    """Adapt a dictionary to patches by K-SVD: code them, then update each atom, by turns.

    Args:
        patches: float32 (N, 64), without their means.
        atoms: float32 (256, 64) of unit norm, to begin with.
        bound: see `tolerance`.
        rounds: the number of turns.

    Returns:
        The adapted atoms.
    """
    atoms = atoms.copy()
    for _ in range(rounds if len(patches) else 0):
        counts, chosen, weights, residuals = code_patches(patches, atoms, bound)
        uses = update_atoms(atoms, counts, chosen, weights, residuals)
        replace_atoms(atoms, uses, patches, counts)
    return atoms


def code_patches(
    patches: np.ndarray, atoms: np.ndarray, bound: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Code patches by orthogonal matching pursuit: by as few atoms as come within the bound.

    Returns:
        The number of atoms of each patch, int32 (N,); the atoms, int32 (N, 32), and their weights,
        float32 (N, 32), of which that number count; and the patches less their codes.
    """
    size = len(patches)
    counts, chosen = np.empty(size, np.int32), np.empty((size, _MOST_ATOMS), np.int32)
    weights, residuals = np.empty((size, _MOST_ATOMS), np.float32), patches.copy()
    transposed, gram = np.ascontiguousarray(atoms.T), atoms @ atoms.T
    _code(atoms, transposed, gram, bound, counts, chosen, weights, residuals)
    return counts, chosen, weights, residuals


def update_atoms(
    atoms: np.ndarray,
    counts: np.ndarray,
    chosen: np.ndarray,
    weights: np.ndarray,
    residuals: np.ndarray,
) -> np.ndarray:
    """Update the atoms one after the other, each with its weights, in place.

    Args:
        atoms: float32 (256, 64).
        counts: the number of atoms of each patch; this and the rest as from `code_patches`.
        chosen: the atoms.
        weights: their weights.
        residuals: the patches less their codes.

    Returns:
        The number of patches that use each atom, (256,).
    """
    patches, places = np.nonzero(np.arange(_MOST_ATOMS) < counts[:, None])
    used = chosen[patches, places]
    order = np.argsort(used, kind="stable")
    users = np.stack([patches, places], 1)[order]
    uses = np.bincount(used, minlength=_ATOMS)
    ends = np.cumsum(uses)
    for _ in range(_SWEEPS):
        for atom, start, end in zip(atoms, ends - uses, ends, strict=True):
            update_atom(atom, users[start:end], weights, residuals)
    return uses


def replace_atoms(
    atoms: np.ndarray, uses: np.ndarray, patches: np.ndarray, counts: np.ndarray
) -> None:
    """Replace, in place, rare atoms and such as resemble an earlier one.

    Their places go to the patches that took most atoms, made of unit norm.

    Args:
        atoms: float32 (256, 64).
        uses: the number of patches that use each.
        patches: float32 (N, 64).
        counts: the number of atoms that code each patch.
    """
    alike = np.tril(np.abs(atoms @ atoms.T), -1) > _ALIKE
    places = np.flatnonzero((uses < _RARE * len(patches)) | alike.any(1))[: len(patches)]
    hardest = patches[np.argsort(-counts, kind="stable")[: len(places)]]
    atoms[places] = hardest / np.linalg.norm(hardest, axis=1, keepdims=True)


@kernel()
def update_atom(
    atom: np.ndarray, users: np.ndarray, weights: np.ndarray, residuals: np.ndarray
) -> None:
    """Update an atom and its weights, in place.

    The best ones are the approximation of rank one of the residuals without the atom. This is one
    step of the power iteration towards it, as in Rubinstein et al. 2008.

    Args:
        atom: float32 (64,), of unit norm.
        users: the patches that use it, and its place among each one's atoms, int64 (M, 2).
        weights: float32 (N, 32).
        residuals: the patches less their codes, float32 (N, 64).
    """
    direction, updated = np.zeros(_SIZE, np.float32), np.empty(_SIZE, np.float32)
    squares = np.float32(0)
    for u in range(len(users)):
        residual, weight = residuals[users[u, 0]], weights[users[u, 0], users[u, 1]]
        squares += weight * weight
        for x in range(_SIZE):
            direction[x] += weight * residual[x]
    for x in range(_SIZE):
        direction[x] += squares * atom[x]
    norm = math.sqrt(_dot(direction, direction))
    if not norm > 0:
        return
    for x in range(_SIZE):
        updated[x] = direction[x] / norm
    likeness = _dot(atom, updated)
    for u in range(len(users)):
        residual, weight = residuals[users[u, 0]], weights[users[u, 0], users[u, 1]]
        changed = _dot(residual, updated) + weight * likeness
        for x in range(_SIZE):
            residual[x] += weight * atom[x] - changed * updated[x]
        weights[users[u, 0], users[u, 1]] = changed
    for x in range(_SIZE):
        atom[x] = updated[x]


@kernel()
def _dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    total = np.float32(0)
    for x in range(_SIZE):
        total += a[x] * b[x]
    return total


@kernel(parallel=True)
def _code(
    atoms: np.ndarray,
    transposed: np.ndarray,
    gram: np.ndarray,
    bound: float,
    counts: np.ndarray,
    chosen: np.ndarray,
    weights: np.ndarray,
    residuals: np.ndarray,
) -> None:
    """Code patches; ``residuals`` are the patches before, and less their codes afterwards."""
    for run in prange((len(residuals) + _RUN - 1) // _RUN):
        basis = np.empty((_MOST_ATOMS, _ATOMS), np.float32)
        start = run * _RUN
        products = np.dot(residuals[start : start + _RUN], transposed)
        for p in range(len(products)):
            n = start + p
            energy = _dot(residuals[n], residuals[n])
            counts[n] = pursue(products[p], gram, energy, bound, basis, chosen[n], weights[n])
            for k in range(counts[n]):
                _add_atom(residuals[n], -weights[n, k], atoms[chosen[n, k]])


@kernel()
def _add_atom(patch: np.ndarray, weight: float, atom: np.ndarray) -> None:
    for x in range(_SIZE):
        patch[x] += weight * atom[x]


@kernel()
def pursue(
    products: np.ndarray,
    gram: np.ndarray,
    energy: float,
    bound: float,
    basis: np.ndarray,
    chosen: np.ndarray,
    weights: np.ndarray,
) -> int:
    """Code one patch by orthogonal matching pursuit, from inner products alone.

    Batch OMP (Rubinstein et al. 2008) as a Gram–Schmidt process: with q_k the k-th chosen atom made
    orthogonal to those before, ``basis[k]`` holds the products of q_k and every atom, so that a
    step subtracts one row from the products of the residual and the atoms.

    Args:
        products: of the patch and the atoms, float32 (256,); those of the residual at the end.
        gram: products of the atoms, (256, 256).
        energy: squared norm of the patch.
        bound: squared norm of the residual to stop at.
        basis: room for (32, 256) values.
        chosen: receives the atoms.
        weights: receives their weights.

    Returns:
        The number of atoms.
    """
    size = 0
    while energy > bound and size < _MOST_ATOMS:
        best = _largest(products)
        square = _ONE
        for k in range(size):
            square -= basis[k, best] * basis[k, best]
        if not square > _DEPENDENT:
            break
        scale = _ONE / math.sqrt(square)
        row = basis[size]
        for a in range(_ATOMS):
            row[a] = scale * gram[best, a]
        for k in range(size):
            factor = scale * basis[k, best]
            for a in range(_ATOMS):
                row[a] -= factor * basis[k, a]
        step = scale * products[best]
        for a in range(_ATOMS):
            products[a] -= step * row[a]
        energy -= step * step
        chosen[size] = best
        weights[size] = step
        size += 1
    for k in range(size - 1, -1, -1):  # weights of the q_k become weights of the atoms
        for later in range(k + 1, size):
            weights[k] -= basis[k, chosen[later]] * weights[later]
        weights[k] /= basis[k, chosen[k]]
    return size


@kernel()
def _largest(values: np.ndarray) -> int:
    """Return the place of the first value with the largest magnitude.

    The bits of positive floats are ordered like the floats. With integers the compiler finds the
    maximum by vector instructions, which nans forbid with floats.
    """
    bits = values.view(np.int32)
    largest = np.int32(0)
    for x in range(_ATOMS):
        largest = max(largest, bits[x] & _MAGNITUDE)
    for x in range(_ATOMS):
        if bits[x] & _MAGNITUDE == largest:
            return x
    return 0


@kernel(parallel=True)
def _add_coded(
    plane: np.ndarray,
    atoms: np.ndarray,
    transposed: np.ndarray,
    gram: np.ndarray,
    bound: float,
    total: np.ndarray,
) -> None:
    """Add the code of every patch to the pixels that it covers.

    A band of patches shares pixels with the next ones alone: the even bands are done first, then
    the odd ones, so that no two threads write to a pixel, and in one order for any number of them.
    """
    rows = plane.shape[0] - _SIDE + 1
    bands = (rows + _BAND - 1) // _BAND
    for parity in range(2):
        for pair in prange((bands - parity + 1) // 2):
            start = (2 * pair + parity) * _BAND
            end = min(start + _BAND, rows)
            _add_coded_band(plane, start, end, atoms, transposed, gram, bound, total)


@kernel()
def _add_coded_band(
    plane: np.ndarray,
    start: int,
    end: int,
    atoms: np.ndarray,
    transposed: np.ndarray,
    gram: np.ndarray,
    bound: float,
    total: np.ndarray,
) -> None:
    """Code a band of patches; flat ones, of which none but the mean is left, take no products."""
    columns = plane.shape[1] - _SIDE + 1
    patches, products = np.empty((_RUN, _SIZE), np.float32), np.empty((_RUN, _ATOMS), np.float32)
    means, energies = np.empty(_RUN, np.float32), np.empty(_RUN, np.float32)
    places, basis = np.empty(_RUN, np.int64), np.empty((_MOST_ATOMS, _ATOMS), np.float32)
    chosen, weights = np.empty(_MOST_ATOMS, np.int32), np.empty(_MOST_ATOMS, np.float32)
    for y in range(start, end):
        for left in range(0, columns, _RUN):
            active = 0
            for x in range(left, min(left + _RUN, columns)):
                means[active], places[active] = _take(plane, y, x, patches[active]), x
                energies[active] = _dot(patches[active], patches[active])
                if energies[active] > bound:
                    active += 1
                else:
                    patches[active, :] = 0
                    _put(patches[active], means[active], y, x, total)
            np.dot(patches[:active], transposed, products[:active])
            for p in range(active):
                size = pursue(products[p], gram, energies[p], bound, basis, chosen, weights)
                patches[p, :] = 0
                for k in range(size):
                    _add_atom(patches[p], weights[k], atoms[chosen[k]])
                _put(patches[p], means[p], y, places[p], total)


@kernel()
def _take(plane: np.ndarray, top: int, left: int, patch: np.ndarray) -> np.float32:
    """Copy a patch without its mean; return the mean."""
    mean = np.float32(0)
    for y in range(_SIDE):
        for x in range(_SIDE):
            patch[y * _SIDE + x] = plane[top + y, left + x]
            mean += plane[top + y, left + x]
    mean /= np.float32(_SIZE)
    for x in range(_SIZE):
        patch[x] -= mean
    return mean


@kernel()
def _put(patch: np.ndarray, mean: float, top: int, left: int, total: np.ndarray) -> None:
    for y in range(_SIDE):
        for x in range(_SIDE):
            total[top + y, left + x] += mean + patch[y * _SIDE + x]
