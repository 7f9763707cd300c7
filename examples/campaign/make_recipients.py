"""Write recipients.csv: 200 invented recipients. The same seed gives the same file.

python examples/campaign/make_recipients.py
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

N_ROWS, SEED = 200, 17
FIRST_DAY = date(2027, 3, 1)
COLUMNS = ("recipient_id", "first_name", "day", "at", "amount", "opt_in_reference")
FIRST_NAMES = (
    "Alice", "Arthur", "Barbara", "Benjamin", "Carol", "Charles", "Daniel", "Diana", "Edward", "Eleanor", "Emma",
    "Frank", "George", "Grace", "Hannah", "Harold", "Helen", "Henry", "Irene", "Isaac", "Jacob", "Joan", "Joseph",
    "Julia", "Karen", "Kenneth", "Laura", "Leonard", "Linda", "Lucy", "Margaret", "Martin", "Matthew", "Megan",
    "Nancy", "Nathan", "Nora", "Oliver", "Patrick", "Paula", "Philip", "Rachel", "Raymond", "Rebecca", "Robert",
    "Rosie", "Ruth", "Samuel", "Sarah", "Siobhan", "Stanley", "Stella", "Theodore", "Thomas", "Victor", "Violet",
    "Walter", "Wanda", "William", "Winifred",
)  # fmt: skip


def recipients(seed: int = SEED) -> list[tuple[str, ...]]:
    """Return the rows of the file."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(1, N_ROWS + 1):
        day = FIRST_DAY + timedelta(days=int(rng.integers(28)))
        at = f"{int(rng.integers(8, 19)):02d}:{int(rng.choice([0, 15, 30, 45])):02d}" if rng.random() < 0.7 else ""
        amount = f"{int(rng.integers(1, 60))}.{int(rng.choice([0, 25, 50, 99])):02d}" if rng.random() < 0.3 else ""
        name = FIRST_NAMES[int(rng.integers(len(FIRST_NAMES)))]
        rows.append((f"customer-{number:04d}", name, day.isoformat(), at, amount, f"form-2026-{7000 + number}"))
    return rows


def main() -> None:
    """Write the file beside this script."""
    with (Path(__file__).parent / "recipients.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(recipients())


if __name__ == "__main__":
    main()
