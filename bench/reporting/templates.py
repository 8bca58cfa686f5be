"""Environment of the templates of our pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    import jinja2

__all__ = ["template_environment"]


def template_environment(read: Callable[[str], str]) -> jinja2.Environment:
    """Return an environment that escapes all text, and puts each on one line.

    Args:
        read: function that returns the content of a template, which is trusted, by its name.

    Examples:
        >>> environment = template_environment(lambda name: "<p>{{ name }}</p>")
        >>> environment.get_template("page").render(name="<b>")
        '<p>&lt;b&gt;</p>'
    """
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(read),
        autoescape=True,
        finalize=lambda value: one_line(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
