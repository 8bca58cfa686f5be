"""Any folder of the user's own images."""

from __future__ import annotations

import hashlib
import logging
import os
import unicodedata
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from denoisebench.datasets.base import DataError, Frame, pixel_digest, some_of
from denoisebench.datasets.images import SUFFIXES, ImageError, decode, read_bytes, read_image
from denoisebench.errors import unknown
from denoisebench.text import plain
from denoisebench.words import counted

if TYPE_CHECKING:
    import numpy as np

EQUAL = "three equal channels: scored as colour; save one channel to have them scored as grey"

_log = logging.getLogger("denoisebench")


class ImageFolder:
    """The images in a folder and its subfolders, in one split, ``test``.

    An image's id is its path within the folder, in Unicode's normal form NFC. The name holds a
    digest of the ids and the files' bytes: the same images have the same name, hence the same
    noise, wherever they lie, and results of different images never come under one name.

    Hidden files are skipped; so are files of other kinds and links to folders, with a notice.

    Args:
        path: the folder; ``~`` is expanded.

    Attributes:
        prefix: what stands before the path on the command line.
        holds: one frame and several, in a table's footer.
        place: the folder's name with the digest, for the folder of a run.

    Raises:
        DataError: there is no such folder, it holds no images, or some of them cannot be used.
    """

    prefix: str
    holds: tuple[str, str]
    licence = "the owner's"
    splits: tuple[str, ...] = ("test",)

    def __init__(self, path: str) -> None:
        given = os.path.expanduser(path)
        if not os.path.isdir(given):
            problem = "is not a folder" if os.path.exists(given) else "does not exist"
            raise DataError(f"{self.prefix}:{path}: {problem}; give the path of a folder of images")
        self.folder = Path(given)
        self._label = self.folder.resolve().name
        images, content = self._load(self._image_files())
        self._frames = self.arrange(images)
        self.name = f"{self.prefix}-{content[:8]}"
        shown = plain(self._label, limit=40) or self.prefix
        self.place = f"{shown}-{content[:8]}"
        self.title = f"{shown}: {counted(len(self._frames), *self.holds)}, digest {content[:8]}"

    def arrange(self, images: list[Frame]) -> list[Frame]:
        """Make the data set's frames of the folder's images."""
        raise NotImplementedError

    def size(self, split: str) -> int:
        """Count the frames of a split."""
        return len(self.frames(split))

    def missing(self, split: str) -> list[str]:
        """Nothing: what is not in the folder is not part of the data set."""
        return []

    def fetch(self, split: str) -> None:
        """Nothing to do, for the same reason."""

    def frames(self, split: str) -> list[Frame]:
        """Return the frames, sorted by id.

        Raises:
            DataError: there is no such split.
        """
        if split not in self.splits:
            raise DataError(f"{self.name}: {unknown('split', split, self.splits)}")
        return list(self._frames)

    def _image_files(self) -> dict[str, Path]:
        """Return the image files by id, sorted.

        Raises:
            DataError: there are none, or two have one id.
        """
        images: dict[str, Path] = {}
        for path in self._walk():
            id = unicodedata.normalize("NFC", path.relative_to(self.folder).as_posix())
            if id in images:
                name = id.encode(errors="replace").decode()
                raise DataError(
                    f"folder {self.folder}: two files have the name {name}, in different Unicode "
                    "normal forms; rename or remove one"
                )
            images[id] = path
        if not images:
            kinds = ", ".join(sorted(SUFFIXES))
            raise DataError(f"folder {self.folder} holds no images; known kinds are {kinds}")
        return dict(sorted(images.items()))

    def _walk(self) -> list[Path]:
        """Find the image files; tell how many other entries were skipped."""
        images: list[Path] = []
        skipped = 0
        for directory, folders, files in os.walk(self.folder, onerror=self._refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            skipped += sum(os.path.islink(os.path.join(directory, name)) for name in folders)
            for name in files:
                path = Path(directory, name)
                if name.startswith("."):
                    continue
                if path.suffix.lower() in SUFFIXES:
                    images.append(path)
                else:
                    skipped += 1
        if images and skipped:
            _log.warning("folder %s: %d entries that are no images skipped", self._label, skipped)
        return images

    def _refuse(self, error: OSError) -> NoReturn:
        raise DataError(f"{error.filename} cannot be read ({error.strerror})") from error

    def _load(self, files: dict[str, Path]) -> tuple[list[Frame], str]:
        """Decode every image once; the frames, and the digest of all ids and bytes."""
        frames, problems = [], []
        notes: Counter[str] = Counter()
        content = hashlib.sha256()
        for id, path in files.items():
            try:
                data = read_bytes(path)
                pixels, remarks = decode(data)
                content.update(f"{id}\0{hashlib.sha256(data).hexdigest()}\n".encode())
            except ImageError as problem:
                problems.append(f"{id}: {problem}")
            except UnicodeEncodeError:
                problems.append(f"{id!a}: its name is not UTF-8")
            else:
                height, width, channels = pixels.shape
                shape = (height, width, channels)
                frames.append(Frame(id, pixel_digest(pixels), shape, partial(read_image, path)))
                notes.update(remarks + [EQUAL] * _is_grey_stored_as_colour(pixels))
        if problems:
            raise DataError(self._summary(problems, len(files)))
        for note, count in notes.items():
            _log.warning("folder %s: %d of %d images: %s", self._label, count, len(files), note)
        return frames, content.hexdigest()

    def _summary(self, problems: list[str], total: int) -> str:
        return (
            f"folder {self.folder}: of {counted(total, 'image')}, {len(problems)} cannot be used: "
            f"{some_of(problems)}. Repair or remove them"
        )


def _is_grey_stored_as_colour(pixels: np.ndarray) -> bool:
    return pixels.shape[2] == 3 and bool((pixels == pixels[..., :1]).all())


class Folder(ImageFolder):
    """``folder:PATH``: every image is a clean frame."""

    prefix = "folder"
    holds = "image", "images"

    def arrange(self, images: list[Frame]) -> list[Frame]:
        """Return the images as they are."""
        return images
