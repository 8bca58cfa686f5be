"""Tables as Parquet files, for readers to whom CSV is too large; pyarrow writes them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from denoisebench.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pandas as pd

__all__ = ["copied_to_parquet"]


def copied_to_parquet(path: Path, tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield the parts of a table, and write them into a Parquet file as they pass.

    Without pyarrow there is no file; one of an earlier run is removed.

    Args:
        path: the file.
        tables: parts of a table, at least one, of the same columns and types.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        path.unlink(missing_ok=True)
        yield from tables
        return
    parts = iter(tables)
    first = next(parts)
    schema = pyarrow.Schema.from_pandas(_encodable(first), preserve_index=False)
    with replacing(path) as file, parquet.ParquetWriter(file, schema) as writer:
        for table in chain([first], parts):
            content = pyarrow.Table.from_pandas(_encodable(table), schema, preserve_index=False)
            writer.write_table(content)
            yield table


def _encodable(table: pd.DataFrame) -> pd.DataFrame:
    """Write halves of characters, as in names of files that are no text, as escapes."""
    texts = [name for name in table if table[name].dtype == object]
    return table.assign(**{str(name): table[name].map(_escaped) for name in texts})


def _escaped(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
