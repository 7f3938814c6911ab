"""Holds every answer against the API's OpenAPI document.

The document calls itself an experiment, and it is wrong in places. Each of these is named in FAULTS
or UNLISTED, with what is relaxed for it and nothing more; a status of UNLISTED that no answer has any
more is reported, so that the list does not outlive its reasons.
"""

import re
from dataclasses import dataclass, field

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

#: What the document is called while its parts refer to each other.
NAME = "urn:cloud-controller"


def no_relationship(document):
    """A relationship to nothing is `{"data": null}`; the document refers to an object."""
    to_one = schemas(document)["RelationshipToOne"]["properties"]
    to_one["data"] = {"anyOf": [{"$ref": "#/components/schemas/Relationship"}, {"type": "null"}]}


def process_pages(document):
    """The document merges a page's links into the list of processes, where `pagination` holds them."""
    schemas(document)["ProcessList"] = {
        "type": "object",
        "properties": {
            "pagination": {"$ref": "#/components/schemas/Pagination"},
            "resources": {"type": "array", "items": {"$ref": "#/components/schemas/Process"}},
        },
        "required": ["pagination", "resources"],
    }


def nameless_clients(document):
    """UAA gives the token of a client no user name, and CC writes down that it knows none."""
    (own,) = [part for part in schemas(document)["AuditEvent"]["allOf"] if "properties" in part]
    own["properties"]["actor"]["properties"]["name"]["type"] = ["string", "null"]


def untouched_groups(document):
    """Nobody has changed a group of a new platform, so that there is no time of it."""
    schemas(document)["EnvironmentVariableGroup"]["properties"]["updated_at"]["type"] = ["string", "null"]


def ageless_instances(document):
    """Nobody knows since when an instance is down that no cell reports."""
    answers = document["paths"]["/v3/processes/{guid}/process_instances"]["get"]["responses"]["200"]
    listed = answers["content"]["application/json"]["schema"]["properties"]["resources"]
    listed["items"]["properties"]["since"]["type"] = ["number", "null"]


#: What is wrong in the schemas, and how it is put right before anything is held against them.
FAULTS = {
    "a to-one relationship may be {data: null}": no_relationship,
    "ProcessList lacks the pagination object": process_pages,
    "the actor of an audit event may have no name": nameless_clients,
    "an instance that is down has no since": ageless_instances,
    "an environment variable group may never have been updated": untouched_groups,
}

#: Answers that the document does not list: method, path, status, why.
UNLISTED = (
    ("get", re.compile(r"/v3/[a-z_]+/[^/]+/parameters"), 400, "brokers need not support fetching parameters"),
    ("get", re.compile(r"/v3/[a-z_]+"), 429, "the rate limiter stands before every path"),
)


def schemas(document):
    return document["components"]["schemas"]


@dataclass
class Verdict:
    validated: int = 0
    #: Operations and statuses that were seen, so that a count of many equal answers tells nothing.
    seen: set = field(default_factory=set)
    outside: set = field(default_factory=set)
    wrong: list = field(default_factory=list)


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for mend in FAULTS.values():
            mend(self.document)
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self.registry = Registry().with_resource(NAME, resource)
        self.templates = [(pattern(template), template) for template in self.document["paths"]]
        # The fewer of its parts are left open, the better a path fits.
        self.templates.sort(key=lambda each: each[1].count("{"))
        self.validators = {}

    def template(self, exchange):
        """The path of the document that an exchange is of; None where it has none."""
        path, method = exchange.path.rstrip("/") or "/", exchange.method.lower()
        fitting = (template for matches, template in self.templates if matches.fullmatch(path))
        return next((template for template in fitting if method in self.document["paths"][template]), None)

    def response(self, template, method, status):
        """What an operation may answer with this status, and where the document says so."""
        place = f"#/paths/{escaped(template)}/{method}/responses/{status}"
        while "$ref" in (node := self.at(place)):
            place = node["$ref"]
        return place, node

    def at(self, place):
        node = self.document
        for name in place.removeprefix("#/").split("/"):
            node = node.get(name.replace("~1", "/").replace("~0", "~")) or {}
        return node

    def judge(self, exchanges, everything):
        """What the document says of each; stale exceptions are wrong where everything was asked."""
        verdict, used = Verdict(), set()
        for exchange in exchanges:
            template = self.template(exchange)
            if template is None:
                verdict.outside.add(f"{exchange.method} {generic(exchange.path)}")
                continue
            instead = self.instead(exchange, template, used)
            if instead:
                line = f"{exchange.method} {template} ({exchange.status}): {instead}"
                if line not in verdict.wrong:
                    verdict.wrong.append(line)
            else:
                verdict.validated += 1
                verdict.seen.add((exchange.method, template, exchange.status))
        if everything:
            stale = [each for each in UNLISTED if each not in used]
            verdict.wrong += [f"nothing needs the exception any more: {each[3]}" for each in stale]
        return verdict

    def instead(self, exchange, template, used):
        """What is wrong about an answer; None if nothing is."""
        place, response = self.response(template, exchange.method.lower(), exchange.status)
        if not response:
            for each in UNLISTED:
                method, path, status, _ = each
                if (method, status) == (exchange.method.lower(), exchange.status) and path.fullmatch(exchange.path):
                    used.add(each)
                    return None
            return "the document does not list this status"
        content = response.get("content")
        if not content:
            return f"a body of {len(exchange.text)} characters where there is none" if exchange.text else None
        if exchange.kind not in content:
            return f"the content type {exchange.kind!r}, not {sorted(content)}"
        if exchange.kind != "application/json":
            return None
        errors = self.validator(f"{place}/content/{escaped(exchange.kind)}/schema").iter_errors(exchange.body)
        error = best_match(errors)
        return f"{error.json_path}: {error.message[:200]}" if error else None

    def validator(self, place):
        if place not in self.validators:
            self.validators[place] = Draft202012Validator({"$ref": NAME + place}, registry=self.registry)
        return self.validators[place]


def escaped(name):
    """A name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def pattern(template):
    return re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)))


def generic(path):
    """A path without its guids, so that equal ones are one."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", ":guid", path)
