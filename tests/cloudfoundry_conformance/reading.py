"""Single things: what a role may see of them, what is not there, and which readings leave a trace."""

import yaml

from .behaviours import behaviour, equal, expect, refuses

MANIFEST = "resources/manifests/_get.md"
ERRORS = "concepts/_errors.md.erb"
GONE = (404, "CF-ResourceNotFound", 10010)
FORBIDDEN = (403, "CF-NotAuthorized", 10003)
NOBODY = "00000000-0000-4000-8000-000000000000"


def manifest(signed, app):
    (application,) = yaml.safe_load(signed.v3.apps.get_manifest(app["guid"]))["applications"]
    return application


@behaviour("An app's manifest is YAML with its environment, routes, services and processes", MANIFEST)
def _(cf):
    app = manifest(cf.reader, cf.reader.app("web"))
    expect(cf.recorder.last.kind == "application/x-yaml", cf.recorder.last.kind)
    equal(app["env"], {"LOG_LEVEL": "info"}, "env")
    equal(app["services"], sorted(app["services"]), "services")
    expect({"db", "queue"} <= set(app["services"]), "services are missing")
    equal([route["route"] for route in app["routes"]], ["web-prod.apps.example.com"], "routes")
    equal([process["type"] for process in app["processes"]], ["web", "worker"], "processes")
    expect(app["lifecycle"] == "buildpack" and "buildpacks" not in app, "buildpacks that were detected")
    expect(all("command" not in process for process in app["processes"]), "commands that were detected")


@behaviour("The manifest of an app from an image names the image and no stack", MANIFEST)
def _(cf):
    app = manifest(cf.reader, cf.reader.app("image"))
    equal((app["lifecycle"], app["docker"]["image"]), ("docker", "registry.example.com/image:1"), "the lifecycle")
    expect("stack" not in app and "buildpacks" not in app, "a stack")
    equal(app["metadata"]["labels"], {"team": "harbor"}, "the labels")


@behaviour("A manifest is refused to an auditor with CF-NotAuthorized, and the app is shown", MANIFEST)
def _(cf):
    for auditor in (cf.auditor, cf.scoped):
        guid = auditor.app("web")["guid"]
        refuses(*FORBIDDEN, auditor.v3.apps.get_manifest, guid)
        equal(auditor.v3.apps.get(guid)["name"], "web", "the app")


@behaviour("The environment is refused to an auditor with CF-NotAuthorized", "resources/apps/_env.md.erb")
def _(cf):
    guid = cf.auditor.app("web")["guid"]
    refuses(*FORBIDDEN, cf.auditor.v3.apps.get_env, guid)
    refuses(*FORBIDDEN, cf.auditor.get, f"/v3/apps/{guid}/environment_variables")


@behaviour("GET permissions tells an auditor that it reads no secrets", "resources/apps/_permissions.md.erb")
def _(cf):
    told = {who: who.get(f"/v3/apps/{who.app('web')['guid']}/permissions") for who in (cf.auditor, cf.reader)}
    equal(told[cf.auditor], {"read_basic_data": True, "read_sensitive_data": False}, "to the auditor")
    equal(told[cf.reader], {"read_basic_data": True, "read_sensitive_data": True}, "to the reader")


@behaviour(
    "Reading the environment writes an audit event, and reading the manifest writes none", "resources/apps/_env.md.erb"
)
def _(cf):
    app, kinds = cf.reader.app("shop"), ["audit.app.environment.show", "audit.app.environment_variables.show"]
    before = len(cf.reader.events(app, kinds))
    everything = cf.reader.v3.audit_events.len()
    manifest(cf.reader, app)
    equal(cf.reader.v3.audit_events.len(), everything, "all events after the manifest")
    env = cf.reader.v3.apps.get_env(app["guid"])
    equal(env["environment_variables"], {"LOG_LEVEL": "info"}, "environment_variables")
    equal(len(cf.reader.events(app, kinds)), before + 1, "events after the environment")
    cf.reader.get(f"/v3/apps/{app['guid']}/environment_variables")
    equal(len(cf.reader.events(app, kinds)), before + 2, "events after the variables")


@behaviour("A process of its own shows its command to admins and not to auditors", "resources/processes/_get.md.erb")
def _(cf):
    (process,) = cf.reader.processes(cf.reader.app("web"))
    expect("HIDDEN" not in cf.reader.v3.processes.get(process["guid"])["command"], "nothing to an admin")
    expect("HIDDEN" in cf.auditor.v3.processes.get(process["guid"])["command"], "the command to an auditor")


@behaviour(
    "stats tells of each instance whether it runs, and nothing more of one that is down",
    "resources/processes/_stats.md.erb",
)
def _(cf):
    (process,) = cf.reader.processes(cf.reader.app("ailing"))
    stats = cf.reader.v3.processes.get(process["guid"], "stats")["resources"]
    equal([each["state"] for each in stats], ["RUNNING", "CRASHED", "DOWN"], "the states")
    expect("usage" in stats[0] and "usage" not in stats[2], "the usage of one that is down")


@behaviour(
    "process_instances tells the seconds since an instance's last change, of none that is down",
    "resources/processes/_process_instances.md.erb",
)
def _(cf):
    (process,) = cf.reader.processes(cf.reader.app("ailing"))
    running, _, down = cf.reader.v3.processes.get(process["guid"], "process_instances")["resources"]
    expect(isinstance(running["since"], int) and 0 < running["since"] < 1_000_000, f"since: {running['since']!r}")
    expect(down["since"] is None, "a time for one that is down")


@behaviour("A stopped app has no instances, and its processes keep their number", "resources/processes/_stats.md.erb")
def _(cf):
    (process,) = cf.reader.processes(cf.reader.app("idle"))
    equal(process["instances"], 1, "instances")
    equal(cf.reader.v3.processes.get(process["guid"], "stats")["resources"], [], "the stats")


@behaviour(
    "An app's current droplet tells which buildpacks of which version made it",
    "resources/apps/_get_current_droplet.md.erb",
)
def _(cf):
    app = cf.reader.app("web")
    droplet = cf.reader.get(f"/v3/apps/{app['guid']}/droplets/current")
    equal(app["relationships"]["current_droplet"]["data"]["guid"], droplet["guid"], "current_droplet")
    equal((droplet["state"], droplet["stack"]), ("STAGED", "cflinuxfs4"), "the droplet")
    expect(all(each["name"] and each["version"] for each in droplet["buildpacks"]), "a buildpack without a version")


@behaviour(
    "A droplet of an image names it, and has no bits: no checksum, buildpack or stack",
    "resources/droplets/_object.md.erb",
)
def _(cf):
    (droplet,) = cf.reader.rows("droplets", app_guids=cf.reader.app("image")["guid"])
    equal((droplet["lifecycle"]["type"], droplet["image"]), ("docker", "registry.example.com/image:1"), "the image")
    equal([droplet[name] for name in ("checksum", "buildpacks", "stack")], [None] * 3, "checksum, buildpacks, stack")
    expect("download" not in droplet["links"], "a link to bits")


@behaviour("A route names its destinations: app, process and port", "resources/routes/_object.md.erb")
def _(cf):
    app = cf.reader.app("web")
    (route,) = cf.reader.rows("routes", app_guids=app["guid"])
    (destination,) = route["destinations"]
    equal(destination["app"], {"guid": app["guid"], "process": {"type": "web"}}, "where it leads")
    equal((destination["port"], destination["protocol"]), (8080, "http1"), "port and protocol")
    alone = cf.reader.get(f"/v3/routes/{route['guid']}/destinations")
    equal(alone["destinations"], route["destinations"], "its destinations alone")


@behaviour(
    "The running environment variable group tells its variables and when they changed",
    "resources/environment_variable_groups/_object.md.erb",
)
def _(cf):
    group = cf.reader.get("/v3/environment_variable_groups/running")
    equal((group["name"], group["var"]), ("running", {"HTTP_PROXY": "http://proxy.example.com"}), "the group")
    expect(group["updated_at"], "no time")
    expect(cf.reader.get("/v3/environment_variable_groups/staging")["updated_at"] is None, "a time of no change")


@behaviour(
    "A failed operation is shown with the broker's words, in the list", "resources/service_instances/_object.md.erb"
)
def _(cf):
    operation = cf.reader.only("service_instances", names="hoist")["last_operation"]
    shown = (operation["type"], operation["state"], operation["description"])
    equal(shown, ("create", "failed", "the broker is on holiday"), "the operation")


@behaviour(
    "Parameters that a broker cannot fetch are refused with CF-ServiceFetch…ParametersNotSupported, 400",
    "resources/service_instances/_parameters.md.erb",
)
def _(cf):
    instance = cf.reader.instance("db")
    binding = cf.reader.binding(cf.reader.app("web"), instance)
    for path, what, code in (
        (f"/v3/service_instances/{instance['guid']}/parameters", "Instance", 120_004),
        (f"/v3/service_credential_bindings/{binding['guid']}/parameters", "Binding", 90_007),
    ):
        refuses(400, f"CF-ServiceFetch{what}ParametersNotSupported", code, cf.reader.get, path)


@behaviour("What never was is refused with CF-ResourceNotFound, 404", ERRORS)
def _(cf):
    for name in ("apps", "processes", "service_instances", "service_credential_bindings", "buildpacks", "spaces"):
        refuses(*GONE, cf.reader.manager(name).get, NOBODY)


@behaviour("What one may not see is refused as what never was", ERRORS)
def _(cf):
    crane = cf.reader.only("apps", names="crane")
    refuses(*GONE, cf.scoped.v3.apps.get, crane["guid"])
    refuses(*GONE, cf.scoped.v3.apps.get_manifest, crane["guid"])


@behaviour(
    "After its role is revoked a client gets 404 for the app, and empty lists with 200",
    "concepts/_authorization.md.erb",
)
def _(cf):
    app = cf.fleeting.app("web", "staging")
    equal(cf.fleeting.v3.apps.get(app["guid"])["name"], "web", "the app before")
    cf.stage("revoke-fleeting")
    try:
        refuses(*GONE, cf.fleeting.v3.apps.get, app["guid"])
        refuses(*GONE, cf.fleeting.v3.apps.get_manifest, app["guid"])
        for name in ("spaces", "apps", "processes", "service_instances", "routes", "organizations"):
            equal(cf.fleeting.rows(name), [], name)
    finally:
        cf.stage("restore-fleeting")


@behaviour("A path that is none is refused with CF-NotFound, 404", ERRORS)
def _(cf):
    refuses(404, "CF-NotFound", 10000, cf.reader.get, "/v3/no_such_thing")
