"""How many values the columns of a Parquet file hold, asked in a process of its own.

A damaged footer makes pyarrow abort: the exception of its C++ part is not caught on the way to Python, and the process
that asked is gone, with whatever else it did. Only this question is known to do so; data are read in the usual way.
"""

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

__all__ = ["count_values"]

_LONGEST = 60.0  # [s], hundreds of times what a footer of many megabytes takes


def count_values(path: Path, columns: Collection[str]) -> list[int] | None:
    """Return for each group of rows the number of values in some columns; None where the footer is damaged.

    Args:
        path: The file.
        columns: Names of top-level columns; what is nested below them counts as theirs.
    """
    command = [sys.executable, "-I", __file__, str(path.absolute()), *sorted(columns)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST, check=False
        )  # no shell, and this file
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        return None
    return [int(n) for n in json.loads(done.stdout)]


def _count(path: str, columns: Collection[str]) -> list[int]:
    from pyarrow import parquet  # type: ignore[import-untyped]  # ships no types

    metadata = parquet.read_metadata(path)
    counts = []
    for i in range(metadata.num_row_groups):
        chunks = [metadata.row_group(i).column(k) for k in range(metadata.num_columns)]
        counts.append(sum(c.num_values for c in chunks if c.path_in_schema.partition(".")[0] in columns))
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_count(sys.argv[1], frozenset(sys.argv[2:]))))
