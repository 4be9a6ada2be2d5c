"""A file of members as a spreadsheet saves it."""

import csv
import io


def sheet(*people: dict[str, str]) -> bytes:
    """One line for each; a column is there if any of them has it."""
    header = list(dict.fromkeys(name for person in people for name in person))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header)
    writer.writeheader()
    writer.writerows(people)
    return out.getvalue().encode()
