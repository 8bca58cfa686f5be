"""K-SVD: its pieces against plain float64 references, and the properties of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench import protocol
from denoisebench.denoisers.ksvd import KSVD

pytest.importorskip("numba")

from denoisebench.denoisers.classic import dictionaries

SIGMA = 25 / 255


def photograph(size: int = 48) -> np.ndarray:
    from skimage import data

    frame: np.ndarray = protocol.as_float(data.camera()[100 : 100 + size, 200 : 200 + size, None])
    return frame


def noisy(clean: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    return (clean + sigma * noise).astype(np.float32)


def patches(count: int = 300) -> np.ndarray:
    plane = noisy(photograph(64))[:, :, 0]
    return dictionaries.draw_patches(plane, dictionaries.tolerance(SIGMA, 1.15), count)


def omp(patch: np.ndarray, atoms: np.ndarray, bound: float) -> tuple[list[int], np.ndarray]:
    """Take the atom nearest to the residual, then fit all chosen ones by least squares."""
    chosen: list[int] = []
    weights = np.zeros(0)
    residual = patch
    while residual @ residual > bound and len(chosen) < 32:
        chosen.append(int(np.argmax(np.abs(atoms @ residual))))
        weights = np.linalg.lstsq(atoms[chosen].T, patch, rcond=None)[0]
        residual = patch - weights @ atoms[chosen]
    return chosen, weights


def rank_one_inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return an atom of ten patches, with its users, weights and residuals, and the errors."""
    rng = np.random.default_rng(1)
    atom = rng.standard_normal(64).astype(np.float32)
    atom /= np.linalg.norm(atom)
    weights = np.zeros((10, 32), np.float32)
    weights[:, 2] = rng.uniform(1, 2, 10)
    residuals = rng.standard_normal((10, 64)).astype(np.float32) / 8
    users = np.stack([np.arange(10), np.full(10, 2)], 1)
    errors = residuals + np.outer(weights[:, 2], atom).astype(np.float64)
    return atom, users, weights, residuals, errors


@pytest.mark.parametrize("sigma", [5, 15, 50])
def test_batch_omp_is_orthogonal_matching_pursuit(sigma: float) -> None:
    some, atoms = patches(60), dictionaries.dct_atoms()
    bound = dictionaries.tolerance(sigma / 255, 1.15)
    counts, chosen, weights, residuals = dictionaries.code_patches(some, atoms, bound)
    same = 0
    for n, patch in enumerate(some.astype(np.float64)):
        expected, factors = omp(patch, atoms.astype(np.float64), bound)
        found = chosen[n, : counts[n]]
        coded = weights[n, : counts[n]] @ atoms[found]
        assert np.allclose(patch - coded, residuals[n], atol=1e-4)
        if found.tolist() == expected:  # float32 may take the other of two nearly equal atoms
            same += 1
            assert np.allclose(weights[n, : counts[n]], factors, rtol=1e-2, atol=1e-3)
    assert same >= 0.9 * len(some)


def test_no_code_leaves_more_than_the_bound() -> None:
    some, bound = patches(), dictionaries.tolerance(SIGMA, 1.15)
    counts, _, _, residuals = dictionaries.code_patches(some, dictionaries.dct_atoms(), bound)
    assert (counts > 0).all()
    assert ((residuals**2).sum(1) <= bound * (1 + 1e-4))[counts < 32].all()


def test_updates_of_an_atom_go_to_the_leading_singular_vector() -> None:
    atom, users, weights, residuals, errors = rank_one_inputs()
    for _ in range(200):
        dictionaries.update_atom(atom, users, weights, residuals)
    left, values, right = np.linalg.svd(errors)
    sign = np.sign(right[0] @ atom)
    assert np.allclose(atom, sign * right[0], atol=1e-4)
    assert np.allclose(weights[:, 2], sign * values[0] * left[:, 0], atol=1e-3)
    assert np.allclose(residuals, errors - values[0] * np.outer(left[:, 0], right[0]), atol=1e-3)


def test_an_update_of_an_atom_leaves_smaller_residuals() -> None:
    atom, users, weights, residuals, errors = rank_one_inputs()
    before = (residuals.astype(np.float64) ** 2).sum()
    dictionaries.update_atom(atom, users, weights, residuals)
    assert (residuals.astype(np.float64) ** 2).sum() < before
    assert np.allclose(residuals + np.outer(weights[:, 2], atom), errors, atol=1e-5)
    assert np.linalg.norm(atom) == pytest.approx(1, abs=1e-5)


def test_unused_and_doubled_atoms_give_way_to_the_hardest_patches() -> None:
    atoms, some = dictionaries.dct_atoms(), patches()
    atoms[9] = -atoms[8]
    uses, counts = np.full(256, 10), np.zeros(len(some), np.int32)
    uses[5], counts[17], counts[3] = 0, 4, 2
    before = atoms.copy()
    dictionaries.replace_atoms(atoms, uses, some, counts)
    assert np.allclose(atoms[5], some[17] / np.linalg.norm(some[17]))
    assert np.allclose(atoms[9], some[3] / np.linalg.norm(some[3]))
    others = [a for a in range(256) if a not in (5, 9)]
    assert np.array_equal(atoms[others], before[others])


def test_learning_makes_codes_shorter() -> None:
    some, bound = patches(), dictionaries.tolerance(SIGMA, 1.15)
    atoms = dictionaries.dct_atoms()
    learned = dictionaries.learn(some, atoms, bound, 5)
    before, after = (dictionaries.code_patches(some, a, bound)[0].sum() for a in (atoms, learned))
    assert after < 0.8 * before
    assert np.allclose(np.linalg.norm(learned, axis=1), 1, atol=1e-4)


def test_aggregation_is_a_mean_of_the_noisy_pixel_and_all_coded_patches() -> None:
    plane, gain = noisy(photograph(20))[:, :13, 0], 1.15
    bound = dictionaries.tolerance(SIGMA, gain)
    windows = np.lib.stride_tricks.sliding_window_view(plane, (8, 8))
    every = windows.reshape(-1, 64) - windows.mean((2, 3)).reshape(-1, 1)
    residuals = dictionaries.code_patches(every, dictionaries.dct_atoms(), bound)[3]
    coded = (windows.reshape(-1, 64) - residuals).reshape(*windows.shape)
    weight = 30 / 25
    total, counts = weight * plane.astype(np.float64), np.full(plane.shape, weight)
    for y, x in np.ndindex(*windows.shape[:2]):
        total[y : y + 8, x : x + 8] += coded[y, x]
        counts[y : y + 8, x : x + 8] += 1
    found = dictionaries.denoise_by_dictionary(plane, SIGMA, gain=gain, rounds=0, examples=10)
    assert np.allclose(found, total / counts, atol=1e-4)


@given(st.floats(0, 1, width=32), st.sampled_from([0.5, 25, 255]), st.sampled_from([1, 3]))
@settings(max_examples=10, deadline=None)
def test_constant_frames_stay(level: float, sigma: float, channels: int) -> None:
    flat = np.full((9, 12, channels), level, np.float32)
    assert np.allclose(KSVD().denoise(flat, sigma / 255), flat, atol=1e-5)


def test_a_transposed_frame_gives_nearly_the_transposed_estimate() -> None:
    frame = noisy(photograph())
    estimate = KSVD(rounds=0).denoise(frame, SIGMA)
    other = KSVD(rounds=0).denoise(frame.transpose(1, 0, 2), SIGMA).transpose(1, 0, 2)
    # An atom and its transpose may be equally near: the first of them is taken.
    assert np.sqrt(np.mean((estimate - other) ** 2)) < 2e-3


def test_a_brighter_frame_gives_a_brighter_estimate() -> None:
    frame = noisy(photograph())
    brighter = KSVD().denoise(frame + np.float32(0.25), SIGMA)
    assert np.sqrt(np.mean((brighter - 0.25 - KSVD().denoise(frame, SIGMA)) ** 2)) < 2e-3


def test_threads_do_not_change_the_bits() -> None:
    import numba

    frame, most = noisy(photograph()), numba.config.NUMBA_NUM_THREADS
    results = []
    try:
        for threads in {1, most}:
            numba.set_num_threads(threads)
            results.append(KSVD().denoise(frame, SIGMA))
    finally:
        numba.set_num_threads(most)
    assert all(np.array_equal(one, results[0]) for one in results)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_ends_nothing(value: float) -> None:
    frame = noisy(photograph(32))
    frame[10, 10] = value
    assert KSVD().denoise(frame, SIGMA).shape == frame.shape
    assert np.isfinite(KSVD().denoise(frame, SIGMA)[20:, 20:]).all()


def test_large_frames_are_drawn_from_by_a_fixed_seed() -> None:
    plane = noisy(photograph(64))[:, :, 0]
    some = dictionaries.draw_patches(plane, 0.1, 100)
    assert some.shape == (100, 64)
    assert np.array_equal(some, dictionaries.draw_patches(plane, 0.1, 100))
    assert ((some**2).sum(1) > 0.1).all()
    assert np.allclose(some.mean(1), 0, atol=1e-6)
