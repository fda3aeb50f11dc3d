"""Cuts scikit-learn's breast-cancer table over the files of three hospitals, to try docs/own-data.md.

python examples/hospitals.py .       # writes hospital-a.csv, hospital-b.csv and hospital-c.csv

Each file has its own order of columns and a column with names of patients; hospital C did not measure the worst area.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

MISSING = "worst area"


def write_hospitals(folder: Path) -> list[Path]:
    """Write the files and return them."""
    table = load_breast_cancer()
    names, rng = [str(name) for name in table.feature_names], np.random.default_rng(11)
    rows, files = np.array_split(rng.permutation(len(table.data)), 3), []
    for letter, mine in zip("abc", rows, strict=True):
        order = [int(place) for place in rng.permutation(len(names)) if letter != "c" or names[place] != MISSING]
        files.append(folder / f"hospital-{letter}.csv")
        with files[-1].open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["patient", *(names[place] for place in order), "diagnosis"])
            for row in mine:
                cells = [repr(float(table.data[row][place])) for place in order]
                lines.writerow([f"patient-{row:04}", *cells, table.target_names[table.target[row]]])
    return files


if __name__ == "__main__":
    write_hospitals(Path(sys.argv[1]))
