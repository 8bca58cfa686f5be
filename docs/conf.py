"""The documents as a site: ``tox -e docs`` makes it in ``docs/_site``.

The documents are written for GitHub. Here their links to other files of the project lead to the
commit that GitHub is building, or to the checkout. The lists of ``index.md`` are the navigation.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
ON_GITHUB = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/blob/{GITHUB_SHA}"
SOURCE = ON_GITHUB.format_map(os.environ) if "GITHUB_SHA" in os.environ else ROOT.as_uri()

project = "Denoise Bench"
extensions = ["myst_parser"]
exclude_patterns = ["_site"]
highlight_language = "text"
html_theme = "furo"
html_title = project
html_extra_path = ["../reports"]  # the published page
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None,
    "https": None,
    "report": "{{path}}",  # every page of the site lies beside the reports
    "source": f"{SOURCE}/{{{{path}}}}{{{{fragment}}}}",
}


def setup(app: Sphinx) -> None:
    """Have every document changed as it is read."""
    app.connect("source-read", read)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Turn links into those of the site, and the lists of the index into its navigation.

    Raises:
        FileNotFoundError: a link leads to no file.
    """
    text = re.sub(r"\]\(\.\./([^)#]+)", _link, source[0])
    source[0] = text + _navigation(text) if name == "index" else text


def _link(found: re.Match[str]) -> str:
    """Return a link to a file of the project; pictures and published pages are copied instead."""
    path = found[1]
    if not (ROOT / path).exists():
        raise FileNotFoundError(path)
    if path.endswith(".svg"):
        return found[0]
    return f"](report:{path.removeprefix('reports/')}" if _is_page(path) else f"](source:{path}"


def _is_page(path: str) -> bool:
    return path.startswith("reports/") and path.endswith(".html")


def _navigation(index: str) -> str:
    """Write a hidden table of contents for each section of the index."""
    parts = []
    for section in index.split("\n## ")[1:]:
        pages = "\n".join(re.findall(r"^- \[.*\]\((.*)\.md\)$", section, re.MULTILINE))
        parts.append(
            f"\n```{{toctree}}\n:hidden:\n:caption: {section.splitlines()[0]}\n\n{pages}\n```\n"
        )
    return "".join(parts)
