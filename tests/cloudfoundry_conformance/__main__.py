"""Asks a simulated Cloud Foundry every behaviour that is documented, as cloudfoundry-client sees it.

    cargo run --example foundation -- 4570
    cd tests
    python -m cloudfoundry_conformance ask --endpoint http://127.0.0.1:4570
    python -m cloudfoundry_conformance rows              the rows of docs/conformance-cloudfoundry.md
    python -m cloudfoundry_conformance write DOCUMENT

The Python is one with requirements.txt installed. `ask` also holds every answer against the OpenAPI
document that MOORED_CF_OPENAPI names, and against the samples below MOORED_CF_SAMPLES (which has an
OpenAPI document too). It exits with 1 if anything differs, unless it is only to --report.
"""

import argparse
import json
import os
import sys
from pathlib import Path

# In the order of the table.
from . import signing_in, lists, reading, bindings, apps, buildpacks  # noqa: F401
from . import document, openapi, shapes
from .behaviours import BEHAVIOURS, outcome
from .foundations import Foundations
from .recorder import Recorder

BUNDLED = "openapi/cf-v3-openapi-bundled.yaml"
UNASKED = {"asked": False, "wrong": []}


def answered(endpoint, recorder, only):
    """What the foundation does about every behaviour that is asked, one after the other."""
    foundations = Foundations(endpoint, recorder)
    chosen = [each for each in BEHAVIOURS if only.lower() in each.sentence.lower()]
    for each in chosen:
        yield {"behaviour": each.sentence, "instead": outcome(each.ask, foundations)}


def against_openapi(exchanges, everything):
    samples = os.environ.get("MOORED_CF_SAMPLES")
    path = os.environ.get("MOORED_CF_OPENAPI") or (samples and Path(samples) / BUNDLED)
    if not path:
        return UNASKED
    verdict = openapi.Document(path).judge(exchanges, everything)
    return {
        "asked": True,
        "validated": verdict.validated,
        "operations": len(verdict.seen),
        "outside": sorted(verdict.outside),
        "wrong": verdict.wrong,
    }


def against_samples(exchanges, everything):
    samples = os.environ.get("MOORED_CF_SAMPLES")
    if not samples:
        return UNASKED
    kinds, wrong = shapes.judge(samples, exchanges, everything)
    return {"asked": True, "kinds": kinds, "wrong": wrong}


def ask(arguments):
    recorder = Recorder()
    recorder.start()
    answers = list(answered(arguments.endpoint, recorder, arguments.only))
    everything = not arguments.only
    report = {
        "answers": answers,
        "openapi": against_openapi(recorder.exchanges, everything),
        "shapes": against_samples(recorder.exchanges, everything),
    }
    if arguments.format == "json":
        print(json.dumps(report, indent=1))
    else:
        lines(report)
    wrong = [each for each in answers if each["instead"]] + report["openapi"]["wrong"] + report["shapes"]["wrong"]
    return 1 if wrong and not arguments.report else 0


def lines(report):
    for each in report["answers"]:
        print(
            f"differs  {each['behaviour']}: {each['instead']}" if each["instead"] else f"same     {each['behaviour']}"
        )
    for name in ("openapi", "shapes"):
        found = report[name]
        said = {key: value for key, value in found.items() if key != "wrong"}
        print(f"{name}: {json.dumps(said)}" if found["asked"] else f"{name}: not asked to")
        for line in found["wrong"]:
            print(f"  {line}")


def rows(_):
    for row in document.rows():
        print(row)
    return 0


def write(arguments):
    document.write(arguments.document)
    return 0


def main():
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="cloudfoundry_conformance", description=__doc__, formatter_class=plain)
    commands = parser.add_subparsers(required=True)
    asking = commands.add_parser("ask", help="ask the foundations of examples/foundation.rs")
    asking.add_argument("--endpoint", required=True, help="the server's address, without a path")
    asking.add_argument("--format", choices=("lines", "json"), default="lines")
    asking.add_argument("--report", action="store_true", help="exit 0 whatever it answers")
    asking.add_argument("--only", metavar="TEXT", default="", help="only behaviours whose sentence holds this text")
    asking.set_defaults(run=ask)
    commands.add_parser("rows", help="the table's rows").set_defaults(run=rows)
    writing = commands.add_parser("write", help="write the table into the document")
    writing.add_argument("document")
    writing.set_defaults(run=write)
    arguments = parser.parse_args()
    return arguments.run(arguments)


sys.exit(main())
