"""docs/conformance-cloudfoundry.md: the table of what is asked, in the order of asking."""

from .behaviours import BEHAVIOURS

BEGIN, END = "<!-- from here on written by `make conformance` -->\n", "<!-- to here -->\n"


def rows():
    """The rows of the table without its head; what a test looks for in the document."""
    for each in BEHAVIOURS:
        yield f"| {escaped(each.sentence)} | [{each.page_name}]({each.reference}) |"


def escaped(text):
    """Markdown takes a bar for the end of a cell, and a backslash for an escape."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def write(path):
    """Replaces the table in the document at this path."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    table = "".join(f"{row}\n" for row in ("| behaviour | documented in |", "| --- | --- |", *rows()))
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{table}\n{END}{after}")
