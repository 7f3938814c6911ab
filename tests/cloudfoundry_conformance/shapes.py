"""Holds the members of every answer against samples: recorded from a foundation, or documented.

A member that every sample of a kind has, every answer has; a member that some sample has, some
answer has; and no answer has one that no sample has. What stands against that is named below, with
the reason; an exception that nothing needs is reported, so that the list does not outlive its
reasons.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

#: Members whose own members are anybody's: names of labels and variables, a broker's own words.
OPEN = {
    "metadata.labels",
    "metadata.annotations",
    "var",
    "data",
    "process_types",
    "included",
    "parameters",
    "environment_variables",
    "staging_env_json",
    "running_env_json",
    "system_env_json",
    "application_env_json",
    "maintenance_info",
    "custom",
    "broker_catalog.metadata",
    "schemas.service_instance.create.parameters",
    "schemas.service_instance.update.parameters",
    "schemas.service_binding.create.parameters",
}

#: Lists whose rows are a kind of their own, and the samples' names for single ones.
COLLECTIONS = (
    "organizations spaces apps processes service_credential_bindings service_instances service_offerings "
    "service_plans routes domains buildpacks stacks droplets deployments audit_events jobs"
).split()

#: Answers below another path that are a kind of their own.
SINGLE = (
    (re.compile(r"/"), "root"),
    (re.compile(r"/v3/info"), "info"),
    (re.compile(r"/v3/environment_variable_groups/[a-z]+"), "environment_variable_groups"),
    (re.compile(r"/v3/apps/[^/]+/permissions"), "app_permissions"),
    (re.compile(r"/v3/apps/[^/]+/env"), "app_env"),
    (re.compile(r"/v3/apps/[^/]+/environment_variables"), "app_environment_variables"),
    (re.compile(r"/v3/apps/[^/]+/actions/[a-z]+"), "apps"),
    (re.compile(r"/v3/apps/[^/]+/droplets/current"), "droplets"),
    (re.compile(r"/v3/processes/[^/]+/actions/scale"), "processes"),
    (re.compile(r"/v3/processes/[^/]+/stats"), "stats"),
    (re.compile(r"/v3/processes/[^/]+/process_instances"), "process_instances"),
    (re.compile(r"/v3/routes/[^/]+/destinations"), "destinations"),
    (re.compile(r"/v3/buildpacks/[^/]+/upload"), "buildpacks"),
)

#: Documented examples that are not named after their collection.
EXAMPLES = {
    ("root", "global_root"): "root",
    ("info", "populated_info"): "info",
    ("info", "empty_info"): "info",
    ("environment_variable_groups", "environment_variable_group"): "environment_variable_groups",
    ("inline_examples", "app_permissions"): "app_permissions",
    ("inline_examples", "app_env"): "app_env",
    ("inline_examples", "app_environment_variables"): "app_environment_variables",
    ("processes", "list_of_process_stats"): "stats",
    ("processes", "process_instances"): "process_instances",
    ("processes", "single_process_with_embedded_process_instances"): "processes",
    ("routes", "list_of_route_destinations"): "destinations",
}
#: Examples of a part, which look like a row.
PARTS = {("routes", "single_destination")}

PRIVATE = "the simulated domains are shared ones"
CANARY = "the simulated deployments are rolling ones, asked for without options"
OTHER_JOB = "jobs of writes that the simulator does not know"
MANAGED = "service_instances of type managed"

#: Members that samples have and answers lack; each stands for what is below it too.
LACKING = {
    ("apps", "relationships.droplet"): "an older name of current_droplet in one documented example",
    ("deployments", "links.continue"): CANARY,
    ("deployments", "options.canary"): CANARY,
    ("deployments", "options.disk_in_mb"): CANARY,
    ("deployments", "options.log_rate_limit_in_bytes_per_second"): CANARY,
    ("deployments", "options.memory_in_mb"): CANARY,
    ("deployments", "options.web_instances"): CANARY,
    ("deployments", "status.canary"): CANARY,
    ("domains", "links.organization"): PRIVATE,
    ("domains", "links.shared_organizations"): PRIVATE,
    ("domains", "relationships.organization.data.guid"): PRIVATE,
    ("domains", "relationships.shared_organizations.data[].guid"): PRIVATE,
    ("droplets", "links.upload"): "only a droplet that is waiting for its upload",
    ("jobs", "errors[].code"): "no simulated job fails",
    ("jobs", "errors[].detail"): "no simulated job fails",
    ("jobs", "errors[].title"): "no simulated job fails",
    ("jobs", "links.app"): OTHER_JOB,
    ("jobs", "links.service_instances"): OTHER_JOB,
    ("jobs", "links.space"): OTHER_JOB,
    ("jobs", "warnings[].detail"): "no simulated job warns",
    ("processes", "readiness_health_check.data.endpoint"): "no simulated readiness check asks an endpoint",
    ("root", "links.cloud_controller_v2"): "version 2 is switched off (cc.temporary_enable_v2)",
    ("root", "links.routing.href"): "there is no router of TCP",
    ("routes", "options.loadbalancing"): "no simulated route has options",
    (MANAGED, "broker_provided_metadata"): "documented, and in no recording",
    ("token of a user", "id_token"): "nobody signs in to a page",
}
#: Members that answers have and no sample has.
INVENTED = {
    ("a page", "pagination.previous.href"): "no sample is of a second page",
    ("processes", "health_check.data.endpoint"): "documented in the example of a health check, which is no row",
}
#: Kinds of which there is no sample.
UNSAMPLED = {
    "stats of an instance that is down": "CC shows what it is and that it is down, and no more",
}


@dataclass
class Shape:
    """The members of all rows of a kind."""

    #: How often each member was there, and how often what it would be in was an object.
    seen: dict = field(default_factory=lambda: defaultdict(int))
    parents: dict = field(default_factory=lambda: defaultdict(int))

    def walk(self, node, place=""):
        if isinstance(node, list):
            for each in node:
                self.walk(each, f"{place}[]")
        elif isinstance(node, dict) and place not in OPEN:
            self.parents[place] += 1
            for name, value in node.items():
                below = f"{place}.{name}" if place else name
                self.seen[below] += 1
                self.walk(value, below)

    @property
    def members(self):
        return set(self.seen)

    @property
    def always(self):
        """What every row has whose parent is an object."""
        return {member for member, times in self.seen.items() if times == self.parents[parent(member)]}


def parent(member):
    return member.rpartition(".")[0]


def kind_of(collection, row):
    """Bindings and service instances come in two kinds, and of an instance that is down little is known."""
    if collection in ("service_credential_bindings", "service_instances"):
        return f"{collection} of type {row.get('type')}"
    return collection


def rows_of(path, body):
    """The rows of an answer, each with its kind."""
    path = path.partition("?")[0]
    if not isinstance(body, dict):
        return
    if path.endswith("/oauth/token") and "refresh_token" in body:
        yield "token of a user", body
        return
    for matches, kind in SINGLE:
        if matches.fullmatch(path):
            yield from spread(kind, body)
            return
    collection = path.removeprefix("/v3/").split("/")[0]
    if collection not in COLLECTIONS or not path.startswith("/v3/"):
        return
    if "pagination" in body:
        if path == f"/v3/{collection}":
            yield from page(collection, body)
    elif path.count("/") <= 3 and "guid" in body:
        body = {name: value for name, value in body.items() if name != "included"}
        yield kind_of(collection, body), body


def page(collection, body):
    """What a page says of itself, and its rows."""
    yield "a page", {name: value for name, value in body.items() if name not in ("resources", "included")}
    for row in body["resources"]:
        yield kind_of(collection, row), row


def spread(kind, body):
    """Stats are judged instance by instance; everything else as it is."""
    if kind != "stats":
        yield kind, body
        return
    for instance in body["resources"]:
        is_down = instance["state"] == "DOWN"
        yield "stats of an instance that is down" if is_down else kind, instance


def sampled(folder):
    """Every row of the samples, with its kind."""
    for sample in recorded(folder / "recorded"):
        if 200 <= sample["status"] < 300:
            yield from rows_of(sample["path"], sample["body"])
    for file in sorted((folder / "documented").glob("*.json")):
        for name, body in json.loads(file.read_text(encoding="utf-8")).items():
            yield from documented(file.stem, name, body)


def recorded(folder):
    for file in sorted(folder.glob("*.jsonl")):
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())
    for file in sorted(folder.glob("*.json")):
        yield json.loads(file.read_text(encoding="utf-8"))


def documented(collection, name, body):
    if kind := EXAMPLES.get((collection, name)):
        yield from spread(kind, body)
    elif collection in COLLECTIONS and name.startswith("paginated_list_of_"):
        yield from page(collection, body)
    elif (
        collection in COLLECTIONS and name.startswith("single_") and (collection, name) not in PARTS and "guid" in body
    ):
        yield kind_of(collection, body), body


def shapes(rows):
    found = defaultdict(Shape)
    for kind, row in rows:
        found[kind].walk(row)
    return found


class Judge:
    """Compares kind by kind, and remembers which exceptions were needed."""

    def __init__(self, samples, answers):
        self.samples, self.answers = samples, answers
        self.wrong, self.used = [], set()

    def unless(self, exceptions, kind, members, line):
        """Members of a kind are wrong, unless an exception names them or what they are in."""
        for member in sorted(members):
            named = {(of, other) for of, other in exceptions if of == kind and f"{member}.".startswith(f"{other}.")}
            self.used |= named
            if not named:
                self.wrong.append(f"{kind}: {member} {line}")

    def compare(self, kind):
        sample, answer = self.samples[kind], self.answers[kind]
        self.unless(LACKING, kind, sample.members - answer.members, "is in a sample and in no answer")
        sometimes = (sample.always & answer.members) - answer.always
        self.unless(LACKING, kind, sometimes, "is in every sample and not in every answer")
        self.unless(INVENTED, kind, answer.members - sample.members, "is in an answer and in no sample")

    def judge(self, everything):
        """How many kinds could be compared; stale exceptions are wrong where everything was asked."""
        compared = sorted(set(self.answers) & set(self.samples))
        for kind in compared:
            self.compare(kind)
        lonely = set(self.answers) - set(self.samples)
        self.wrong += [f"{kind}: there is no sample of it" for kind in sorted(lonely - set(UNSAMPLED))]
        if everything:
            stale = sorted({*LACKING, *INVENTED} - self.used)
            self.wrong += [f"{kind}: nothing needs the exception of {member} any more" for kind, member in stale]
            self.wrong += [f"{kind}: nothing needs its exception any more" for kind in sorted(set(UNSAMPLED) - lonely)]
        return len(compared)


def judge(folder, exchanges, everything):
    """How many kinds were compared, and what answers have too little or too much."""
    rows = [row for each in exchanges if 200 <= each.status < 300 for row in rows_of(each.path, each.body)]
    judge = Judge(shapes(sampled(Path(folder))), shapes(rows))
    return judge.judge(everything), judge.wrong
