"""The matrix is readable with many apps."""

import re

from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.report import matrix


def crossing(source: str, target: str) -> Crossing:
    return Crossing("import", source, target, f"{source}/models.py", 1, target)


def test_the_matrix_of_forty_apps_fits_eighty_columns() -> None:
    apps = [f"application{number:02}" for number in range(40)]
    found = [crossing(source, target) for source in apps for target in apps if source != target for _ in range(101)]

    lines = list(matrix(found))

    assert 70 < max(map(len, lines)) <= 80
    assert sum(line.count(" 101") for line in lines) == 40 * 39
    headings = [re.findall(r"\d+", line) for line in lines if line.startswith("from, to:")]
    assert [number for columns in headings for number in columns] == [str(number) for number in range(1, 41)]


def test_a_number_is_in_the_row_of_its_start_and_the_column_of_its_end() -> None:
    assert list(matrix([crossing("a", "b"), crossing("a", "b"), crossing("c", "a")])) == [
        "from, to:  1  2",
        "1 a        ·  2",
        "3 c        1",
        "Nothing starts in: 2 b",
    ]
