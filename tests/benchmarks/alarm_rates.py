"""Rates of false alarms of comparisons, and of changes that they see.

    python tests/benchmarks/alarm_rates.py --trials 30 --out results/alarm-rates

Launches real methods as ``bench ab`` does, on a machine that should be quiet: a version against
itself, and against one that does 10 % more work. Then scores thirty methods against themselves, and
against ones that lose 0.05 dB of PSNR. Every trial is kept, so that the same command goes on after
an interruption. A trial takes 20 launches, 40 where the first look suspects something.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

METHODS = """
import os
from dataclasses import dataclass

import numpy as np

from denoisebench.denoisers import register

WORK = int(os.environ.get("ALARM_WORK", "20"))
LOSS = float(os.environ.get("ALARM_LOSS", "0"))


@register("alarm-blur", title="Blur, much memory traffic", family="local")
@dataclass(frozen=True)
class Blur:
    def denoise(self, noisy, sigma):
        import cv2

        for _ in range(WORK):
            estimate = cv2.GaussianBlur(noisy, (9, 9), 1)
        return estimate.reshape(noisy.shape)


@register("alarm-fft", title="Fourier transform, much arithmetic", family="transform")
@dataclass(frozen=True)
class Fourier:
    def denoise(self, noisy, sigma):
        for _ in range(WORK):
            spectrum = np.fft.rfft2(noisy, axes=(0, 1))
        spectrum[np.abs(spectrum) < 3 * sigma * np.sqrt(noisy.shape[0] * noisy.shape[1])] = 0
        return np.fft.irfft2(spectrum, noisy.shape[:2], axes=(0, 1)).astype(np.float32)


@register("alarm-loss", title="Blur that loses some decibels", family="local", sees_clean=True)
@dataclass(frozen=True)
class Loss:
    width: float = 1.0

    def denoise(self, noisy, sigma, clean):
        import cv2

        estimate = cv2.GaussianBlur(noisy, (0, 0), self.width).reshape(noisy.shape)
        return clean + (estimate - clean) * np.float32(10 ** (LOSS / 20))
"""
COMPARED = ("alarm-blur", "alarm-fft")
REAL = "nlm-opencv,wavelet-bayes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--launches", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("results", "alarm-rates"))
    options = parser.parse_args()
    folder = options.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "methods.py").write_text(METHODS)
    same = version(folder, "same")
    changed = {
        "A/A": (same, ",".join([*COMPARED, REAL])),
        "+10 % work": (version(folder, "slower", "ALARM_WORK=22"), ",".join(COMPARED)),
    }
    for kind, (head, methods) in changed.items():
        verdicts = Counter()
        for trial in range(options.trials):
            out = folder / f"{head.name}-{trial:02d}"
            words = ["--launches", str(options.launches), "--out", str(out)]
            found = judge(out, ["ab", str(same), str(head), *words], launched(folder, methods))
            times = [f for f in found if f["metric"] == "time"]
            verdicts.update((f["method"], f["verdict"]) for f in times)
            print(f"{kind} {trial + 1}: {', '.join(words_of(f) for f in times)}", flush=True)
        tell(f"time, {kind}", verdicts)
    for kind, loss in (("A/A", "0"), ("-0.05 dB", "0.05")):
        found = scores(folder, same, version(folder, f"loss-{loss}", f"ALARM_LOSS={loss}"))
        tell(f"PSNR, {kind}", Counter(("alarm-loss", f["verdict"]) for f in found))


def version(folder: Path, name: str, setting: str = "") -> Path:
    """Return a bench whose methods do more, or worse: the installed one, in another environment."""
    path = folder / name
    bench = Path(sys.executable).with_name("bench")
    path.write_text(f'#!/bin/sh\n{setting} exec {shlex.quote(str(bench))} "$@"\n')
    path.chmod(0o755)
    return path


def launched(folder: Path, methods: str) -> list[str]:
    words = ["--plugin", str(folder / "methods.py"), "--dataset", "stills", "--frames", "2"]
    return ["--methods", methods, "--sigma", "25", "--threads", "1", *words]


def judge(out: Path, words: list[str], options: list[str]) -> list[dict[str, object]]:
    """Return the findings of a trial; carry it out if no earlier call did."""
    path = out / "compare.json"
    if not path.is_file():
        command = [Path(sys.executable).with_name("bench"), *words, "--format", "json,md", "--"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if not path.is_file():
            raise SystemExit(done.stderr)
    return list(json.loads(path.read_text())["findings"])


def scores(folder: Path, base: Path, head: Path) -> list[dict[str, object]]:
    """Thirty widths of one method, against the same with another loss."""
    methods = ",".join(f"alarm-loss[width={0.6 + 0.04 * i:.2f}]" for i in range(30))
    runs = [folder / f"scores-{v.name}" for v in (base, head)]
    for run, command in zip(runs, (base, head), strict=True):
        options = launched(folder, methods)
        subprocess.run([command, "run", *options, "--out", run], capture_output=True, check=True)
    words = ["compare", *map(str, runs), "--out", str(runs[1])]
    (runs[1] / "compare.json").unlink(missing_ok=True)
    return [f for f in judge(runs[1], words, []) if f["metric"] == "psnr"]


def words_of(finding: dict[str, object]) -> str:
    change = finding["change"]
    size = f" {100 * change:+.1f} %" if isinstance(change, float) else ""
    return f"{finding['method']} {finding['verdict']}{size}"


def tell(what: str, verdicts: Counter[tuple[str, str]]) -> None:
    for method in dict.fromkeys(method for method, _ in verdicts):
        mine = {verdict: n for (m, verdict), n in verdicts.items() if m == method}
        print(f"{what}, {method}: worse in {mine.get('worse', 0)} of {sum(mine.values())}")


if __name__ == "__main__":
    main()
