"""Asks a cloud every behaviour that AWS documents, and says what it does instead.

    cd tests
    python -m conformance ask --name mine --endpoint http://127.0.0.1:4566
    python -m conformance ask --name moto --emulator .../bin/moto_server --report
    python -m conformance world              what a prepared cloud holds, as JSON
    python -m conformance rows               how the rows of docs/conformance.md begin
    python -m conformance write DOCUMENT ANSWERS...

`ask` exits with 1 if a behaviour differs, unless it is only to --report. Without --prepared,
behaviours that a cloud has to be told (throttling, say) are not asked.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

# In the order of the table.
from . import ecs, ecs_clusters, route53, health_checks, elbv2, dynamodb, dynamodb_writes, sts, refusals  # noqa: F401
from . import document, emulator
from .behaviours import BEHAVIOURS, outcome
from .cloud import accounts, numbers

FIRST_ACCOUNT = 300_000_000_000
UNASKED = "cannot be told to"


def answered(endpoint, arguments):
    """What the cloud does about every behaviour that is asked."""
    wanted = (arguments.only or "").lower()
    chosen = [(place, each) for place, each in enumerate(BEHAVIOURS) if wanted in each.sentence.lower()]

    def answer(numbered):
        place, each = numbered
        if each.fault and not arguments.prepared:
            return {"behaviour": each.sentence, "outcome": "unasked", "instead": UNASKED}
        account = accounts(endpoint, arguments.first_account, place, arguments.prepared)
        instead = outcome(each.ask, account)
        return {"behaviour": each.sentence, "outcome": "differs" if instead else "same", "instead": instead}

    with ThreadPoolExecutor(arguments.jobs) as pool:
        return list(pool.map(answer, chosen))


def ask(arguments):
    kind = arguments.name.split()[0]
    started = emulator.running(kind, arguments.emulator) if arguments.emulator else nullcontext(arguments.endpoint)
    with started as endpoint:
        answers = answered(endpoint, arguments)
    if arguments.format == "json":
        print(json.dumps({"cloud": arguments.name, "answers": answers}, indent=1))
    else:
        for each in answers:
            instead = f": {each['instead']}" if each["instead"] else ""
            print(f"{each['outcome']:8} {each['behaviour']}{instead}")
    same, differs, unasked = (
        sum(each["outcome"] == kind for each in answers) for kind in ("same", "differs", "unasked")
    )
    print(f"{arguments.name}: {same} as AWS documents, {differs} otherwise, {unasked} not asked", file=sys.stderr)
    return 1 if differs and not arguments.report else 0


def world(arguments):
    pairs = [numbers(arguments.first_account, place) for place in range(len(BEHAVIOURS))]
    roles = [
        {"account": account, "name": name, "trusted": trusted}
        for pair in pairs
        for account in pair
        for name, trusted in (("open", pair), ("closed", []))
    ]
    faults = [{"account": pair[0], "effect": each.fault} for pair, each in zip(pairs, BEHAVIOURS) if each.fault]
    every = [account for pair in pairs for account in pair]
    print(json.dumps({"accounts": every, "roles": roles, "faults": faults}))
    return 0


def rows(_):
    for each in BEHAVIOURS:
        print(document.beginning(each))
    return 0


def write(arguments):
    document.write(arguments.document, arguments.answers)
    return 0


def main():
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__, formatter_class=plain)
    commands = parser.add_subparsers(required=True)

    asking = commands.add_parser("ask", help="ask a cloud")
    where = asking.add_mutually_exclusive_group(required=True)
    where.add_argument("--endpoint", help="a cloud that is there")
    where.add_argument("--emulator", help="the program of moto or ministack, to be started for the purpose")
    asking.add_argument("--name", required=True, help="what the cloud is called in the answers, its kind first")
    asking.add_argument("--format", choices=("lines", "json"), default="lines")
    asking.add_argument("--prepared", action="store_true", help="the cloud holds what `world` prints")
    asking.add_argument("--report", action="store_true", help="exit 0 whatever it answers")
    asking.add_argument("--only", metavar="TEXT", help="only behaviours whose sentence holds this text")
    asking.add_argument("--jobs", type=int, default=12, help="behaviours asked at a time")
    asking.set_defaults(run=ask)
    preparing = commands.add_parser("world", help="what a prepared cloud holds")
    preparing.set_defaults(run=world)
    for command in (asking, preparing):
        command.add_argument("--first-account", type=int, default=FIRST_ACCOUNT)
    commands.add_parser("rows", help="how the table's rows begin").set_defaults(run=rows)
    writing = commands.add_parser("write", help="write the table into the document")
    writing.add_argument("document")
    writing.add_argument("answers", nargs="+", help="files that `ask --format json` printed")
    writing.set_defaults(run=write)

    arguments = parser.parse_args()
    return arguments.run(arguments)


sys.exit(main())
