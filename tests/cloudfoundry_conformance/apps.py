"""What restarts, scaling, deployments and changed environments do to an app, and what they leave alone."""

from .behaviours import behaviour, equal, expect, refuses, until
from .bindings import UNPROCESSABLE
from .reading import FORBIDDEN

ACTUAL_STATE = "concepts/_updating_actual_state.md.erb"
SCALE = "resources/processes/_scale.md.erb"
DEPLOY = "resources/deployments/_create.md.erb"


def act(signed, app, action):
    return signed.post(f"/v3/apps/{app['guid']}/actions/{action}", None).json()


def scale(signed, process, **what):
    return signed.post(f"/v3/processes/{process['guid']}/actions/scale", what).json()


def states(signed, process):
    return [each["state"] for each in signed.v3.processes.get(process["guid"], "stats")["resources"]]


def only_process(signed, app, kind="web"):
    (process,) = signed.processes(app, kind)
    return process


def deploy(signed, app):
    return signed.post("/v3/deployments", {"relationships": {"app": {"data": {"guid": app["guid"]}}}}).json()


@behaviour(
    "A restart gives every process another version, and the instances come up again", "resources/apps/_restart.md.erb"
)
def _(cf):
    app = cf.ada.app("web")
    before = {kind: only_process(cf.ada, app, kind) for kind in ("web", "worker")}
    restarted = cf.ada.v3.apps.restart(app["guid"])
    equal(restarted["state"], "STARTED", "the state")
    for kind, old in before.items():
        new = only_process(cf.ada, app, kind)
        equal(new["guid"], old["guid"], "the guid")
        expect(new["version"] != old["version"], "the same version")
        until(lambda: set(states(cf.ada, new)) == {"RUNNING"}, f"{kind} does not come up")


@behaviour("A restart writes audit.app.restart, and names who did it", "resources/audit_events/_header.md.erb")
def _(cf):
    app = cf.ada.app("shop")
    cf.ada.v3.apps.restart(app["guid"])
    event = cf.ada.events(app, "audit.app.restart")[-1]
    equal((event["actor"]["name"], event["target"]["name"]), ("ada@example.com", "shop"), "the event")
    equal((event["target"]["type"], event["updated_at"]), ("app", event["created_at"]), "target and time")


@behaviour("A client is named by its id in audit events", "resources/audit_events/_header.md.erb")
def _(cf):
    app = cf.operator.app("shop")
    cf.operator.v3.apps.restart(app["guid"])
    equal(cf.operator.events(app, "audit.app.restart")[-1]["actor"]["guid"], "operator", "the actor")


@behaviour("Stop ends every instance, and start brings up what was wanted", "resources/apps/_stop.md.erb")
def _(cf):
    app = cf.operator.app("shop", "staging")
    equal(act(cf.operator, app, "stop")["state"], "STOPPED", "the state")
    process = only_process(cf.operator, app)
    equal(states(cf.operator, process), [], "the instances of a stopped app")
    equal(act(cf.operator, app, "start")["state"], "STARTED", "the state")
    until(lambda: states(cf.operator, process) == ["RUNNING"] * process["instances"], "it does not come up")


@behaviour("An auditor's restart is refused with CF-NotAuthorized", "resources/apps/_restart.md.erb")
def _(cf):
    refuses(*FORBIDDEN, cf.auditor.v3.apps.restart, cf.auditor.app("web")["guid"])


@behaviour("Scaling instances takes effect at once and leaves the version alone", SCALE)
def _(cf):
    process = only_process(cf.operator, cf.operator.app("shop"), "worker")
    scaled = scale(cf.operator, process, instances=3)
    equal((cf.recorder.last.status, scaled["instances"]), (202, 3), "the answer")
    equal(scaled["version"], process["version"], "the version")
    until(lambda: states(cf.operator, process) == ["RUNNING"] * 3, "three instances do not come up")
    scale(cf.operator, process, instances=1)
    equal(len(states(cf.operator, process)), 1, "the instances after scaling down")


@behaviour("Scaling memory waits for a restart: the version stays", ACTUAL_STATE)
def _(cf):
    app = cf.operator.app("shop")
    process = only_process(cf.operator, app, "worker")
    scaled = scale(cf.operator, process, memory_in_mb=512)
    equal((scaled["memory_in_mb"], scaled["version"]), (512, process["version"]), "the answer")
    manifest = cf.operator.v3.apps.get_manifest(app["guid"])
    expect("memory: 512M" in manifest, "the manifest has the old memory")


@behaviour("An auditor's scaling is refused with CF-NotAuthorized", SCALE)
def _(cf):
    refuses(*FORBIDDEN, scale, cf.auditor, only_process(cf.auditor, cf.auditor.app("web")), instances=1)


@behaviour("A changed variable moves the app's updated_at and waits for a restart", ACTUAL_STATE)
def _(cf):
    app = cf.operator.app("web", "staging")
    process = only_process(cf.operator, app)
    path = f"/v3/apps/{app['guid']}/environment_variables"
    changed = cf.operator.patch(path, {"var": {"LOG_LEVEL": "debug", "EXTRA": "1"}})
    equal(changed["var"], {"LOG_LEVEL": "debug", "EXTRA": "1"}, "the variables")
    expect(cf.operator.v3.apps.get(app["guid"])["updated_at"] >= app["updated_at"], "an older updated_at")
    equal(only_process(cf.operator, app)["version"], process["version"], "the version")
    removed = cf.operator.patch(path, {"var": {"LOG_LEVEL": "info", "EXTRA": None}})
    equal(removed["var"], {"LOG_LEVEL": "info"}, "the variables after null")


@behaviour(
    "A variable that is the platform's is refused with CF-UnprocessableEntity",
    "resources/apps/_update_environment_variables.md.erb",
)
def _(cf):
    path = f"/v3/apps/{cf.operator.app('web')['guid']}/environment_variables"
    for name in ("VCAP_SERVICES", "PORT"):
        refuses(*UNPROCESSABLE, cf.operator.patch, path, {"var": {name: "mine"}})


@behaviour("A member that a request has too many is refused with CF-UnprocessableEntity", "concepts/_errors.md.erb")
def _(cf):
    path = f"/v3/processes/{only_process(cf.operator, cf.operator.app('web'))['guid']}/actions/scale"
    refuses(*UNPROCESSABLE, cf.operator.post, path, {"instances": 1, "colour": "red"})


@behaviour("A body that is no JSON is refused with CF-MessageParseError", "concepts/_errors.md.erb")
def _(cf):
    path = f"/v3/processes/{only_process(cf.operator, cf.operator.app('web'))['guid']}/actions/scale"
    headers = {"Content-Type": "application/json"}
    refuses(400, "CF-MessageParseError", 1001, cf.operator.client.post, cf.base + path, data="{", headers=headers)


@behaviour("While it rolls, an app has two web processes; then the new one alone, under another guid", DEPLOY)
def _(cf):
    app = cf.operator.app("rolling")
    old = only_process(cf.operator, app)
    deployment = deploy(cf.operator, app)
    equal((cf.recorder.last.status, deployment["status"]["value"]), (201, "ACTIVE"), "the deployment")
    equal([process["guid"] for process in cf.operator.processes(app)][:1], [old["guid"]], "the older process")
    (fresh,) = [process["guid"] for process in cf.operator.processes(app)][1:]
    equal([process["guid"] for process in deployment["new_processes"]], [fresh], "new_processes")
    active = cf.operator.rows("deployments", status_values="ACTIVE", app_guids=app["guid"])
    equal([each["guid"] for each in active], [deployment["guid"]], "the active deployments")
    web = f"/v3/processes/{fresh}/actions/scale"
    refuses(*UNPROCESSABLE, cf.operator.post, web, {"instances": 5})
    ended = until(lambda: rolled(cf, deployment), "it does not end")
    equal(ended["status"]["reason"], "DEPLOYED", "the reason")
    new = only_process(cf.operator, app)
    equal((new["guid"], new["instances"]), (fresh, old["instances"]), "the process that is left")
    expect(new["version"] != old["version"], "the same version")
    equal(cf.operator.rows("deployments", status_values="ACTIVE", app_guids=app["guid"]), [], "active deployments")


def rolled(cf, deployment):
    now = cf.operator.manager("deployments").get(deployment["guid"])
    return now if now["status"]["value"] == "FINALIZED" else None


@behaviour("An auditor's deployment is refused with CF-NotAuthorized", DEPLOY)
def _(cf):
    refuses(*FORBIDDEN, deploy, cf.auditor, cf.auditor.app("web"))


@behaviour(
    "Other buildpacks for an app are an auditor's to see and a developer's to set", "resources/apps/_update.md.erb"
)
def _(cf):
    app = cf.ada.app("shop", "staging")
    lifecycle = {"lifecycle": {"type": "buildpack", "data": {"buildpacks": ["java_buildpack"], "stack": "cflinuxfs4"}}}
    refuses(*FORBIDDEN, cf.auditor.patch, f"/v3/apps/{app['guid']}", lifecycle)
    equal(cf.ada.patch(f"/v3/apps/{app['guid']}", lifecycle)["lifecycle"], lifecycle["lifecycle"], "the answer")
    shown = cf.auditor.v3.apps.get(app["guid"])
    equal(shown["lifecycle"]["data"]["buildpacks"], ["java_buildpack"], "what the auditor sees")
    equal(shown["relationships"], app["relationships"], "the droplet, which only a restage changes")
