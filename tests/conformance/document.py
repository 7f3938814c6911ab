"""docs/conformance.md: the table, from what several clouds have answered."""

import json

from .behaviours import BEHAVIOURS

BEGIN, END = "<!-- from here on written by `make conformance` -->\n", "<!-- to here -->\n"


def beginning(behaviour):
    """A row without the clouds; what a test looks for in the document."""
    return f"| {escaped(behaviour.sentence)} | [{behaviour.page_name}]({behaviour.reference}) |"


def rows(clouds):
    """The table, a line each."""
    yield "| behaviour | AWS reference | " + " | ".join(cloud["cloud"] for cloud in clouds) + " |"
    yield "| --- | --- |" + " --- |" * len(clouds)
    found = [{each["behaviour"]: each for each in cloud["answers"]} for cloud in clouds]
    for each in BEHAVIOURS:
        yield f"{beginning(each)} " + " | ".join(cell(answers.get(each.sentence)) for answers in found) + " |"
    totals = [sum(each["outcome"] == "same" for each in cloud["answers"]) for cloud in clouds]
    yield (
        f"| **{len(BEHAVIOURS)} behaviours, as documented** | | "
        + " | ".join(f"**{total}**" for total in totals)
        + " |"
    )


def cell(answer):
    if answer is None:
        return "not asked"
    return "yes" if answer["outcome"] == "same" else escaped(answer["instead"])


def escaped(text):
    """Markdown takes a bar for the end of a cell, and a backslash for an escape."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def write(path, files):
    """Replaces the table in the document at this path."""
    clouds = []
    for name in files:
        with open(name, encoding="utf-8") as file:
            clouds.append(json.load(file))
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    table = "".join(f"{row}\n" for row in rows(clouds))
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{table}\n{END}{after}")
