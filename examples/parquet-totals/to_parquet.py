"""Makes a Parquet file of a CSV file: to_parquet.py INPUT.csv OUTPUT.parquet."""

from __future__ import annotations

import sys

import pyarrow.csv
import pyarrow.parquet

if __name__ == "__main__":
    source, target = sys.argv[1:]
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(source), target, row_group_size=1000)
