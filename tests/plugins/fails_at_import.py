"""A plugin that needs a library which is not there."""

import a_library_that_nobody_has  # noqa: F401
