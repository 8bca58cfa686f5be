"""A user's own photographs with the noise that the camera recorded, with or without clean ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from denoisebench.datasets.base import DataError, some_of
from denoisebench.datasets.folder import ImageFolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from denoisebench.datasets.base import Frame

_NOISY = frozenset({"noisy", "noise", "real"})
_CLEAN = frozenset({"clean", "gt", "mean"})
_HINT = (
    "write noisy/NAME.png beside clean/NAME.png, or NAME_noisy.png beside NAME_clean.png "
    "(also known: real, mean, gt)"
)


class Pairs(ImageFolder):
    """``pairs:PATH``: noisy images, each with a clean one of the same pixels.

    A word in its path tells what an image is: `_NOISY` or `_CLEAN`, in any case, as the name of a
    folder or a part of the file's name between ``_``, ``-`` and ``.``. Two images whose paths are
    the same without that word, and without the suffix, are a pair. So the layouts of the public
    sets with camera noise are understood: ``X_real.png`` and ``X_mean.png`` (CC15, PolyU),
    ``X_NOISY_SRGB_010.PNG`` and ``X_GT_SRGB_010.PNG`` (SIDD). A frame's id is what they share.

    Raises:
        DataError: also if an image has no partner, or one of another size.
    """

    prefix = "pairs"
    holds = "noisy and clean pair", "noisy and clean pairs"

    def arrange(self, images: list[Frame]) -> list[Frame]:
        """Pair noisy and clean images by their paths.

        Raises:
            DataError: an image has no partner, or several.
        """
        found: dict[str, dict[str, Frame]] = {}
        for image in images:
            kind, id = self._place(image.id)
            if other := found.setdefault(id, {}).get(kind):
                raise self._unusable([f"{other.id} and {image.id} are both {kind}"])
            found[id][kind] = image
        alone = [image.id for pair in found.values() if len(pair) == 1 for image in pair.values()]
        if alone:
            raise self._unusable(f"{path} has no partner" for path in alone)
        return [found[id]["clean"].beside(found[id]["noisy"], id) for id in sorted(found)]

    def _place(self, path: str) -> tuple[Literal["noisy", "clean"], str]:
        """Tell clean from noisy by an image's path, and find the part that its partner shares."""
        stem = path.rpartition(".")[0]
        words = [[w for w in re.split("[_.-]+", part) if w] for part in stem.split("/")]
        marks = {word.lower() for part in words for word in part} & (_NOISY | _CLEAN)
        if not marks or (marks & _NOISY and marks & _CLEAN):
            problem = "both noisy and clean" if marks else "neither noisy nor clean"
            raise self._unusable([f"{path} is {problem} by its name"])
        shared = ("_".join(w for w in part if w.lower() not in marks) for part in words)
        return "noisy" if marks & _NOISY else "clean", "/".join(filter(None, shared)) or "frame"

    def _unusable(self, problems: Iterable[str]) -> DataError:
        return DataError(f"pairs:{self.folder}: {some_of(list(problems))}. To make pairs, {_HINT}")


class NoisyFolder(ImageFolder):
    """``noisy:PATH``: every image is noisy as it is, and nobody knows the clean one."""

    prefix = "noisy"
    holds = "noisy image without a clean one", "noisy images without clean ones"

    def arrange(self, images: list[Frame]) -> list[Frame]:
        """Take every image as a noisy one."""
        return [image.alone() for image in images]
