"""Binding and unbinding: at once for user-provided instances, by a job for those of a broker."""

from .behaviours import behaviour, equal, expect, refuses, until
from .reading import FORBIDDEN, GONE

CREATE = "resources/service_credential_bindings/_create.md.erb"
DELETE = "resources/service_credential_bindings/_delete.md.erb"
UNPROCESSABLE = (422, "CF-UnprocessableEntity", 10008)


def bind(signed, app, instance, name=None, **options):
    create = signed.v3.service_credential_bindings.create
    return create(name, "app", instance["guid"], app["guid"], None, None, None, **options)


def bound(signed, app, instance):
    """Binds the two and follows the job if there is one; the binding."""
    made = bind(signed, app, instance)
    if isinstance(made, str):
        completed(signed, made)
    return signed.binding(app, instance)


def unbind(signed, binding):
    """Deletes a binding, and follows the job if there is one."""
    job = signed.v3.service_credential_bindings._remove(binding["guid"])
    if job:
        completed(signed, job)


def completed(signed, job):
    """The job at its end; the client waits, with less patience than by default."""
    return signed.v3.jobs.wait_for_job_completion(job, step=0.1)


def unbound(signed, app, instance):
    """The two, with no binding between them."""
    binding = signed.binding(app, instance)
    if binding:
        unbind(signed, binding)
    return app, instance


@behaviour("A binding to a broker's instance is accepted with a job, in progress until the job completes", CREATE)
def _(cf):
    app, instance = unbound(cf.operator, cf.operator.app("shop", "staging"), cf.operator.instance("queue", "staging"))
    guid = bind(cf.operator, app, instance)
    equal(cf.recorder.last.status, 202, "the status")
    expect(cf.recorder.last.headers["location"] == f"{cf.base}/v3/jobs/{guid}", "another Location")
    operation, job = cf.operator.binding(app, instance)["last_operation"], cf.operator.v3.jobs.get(guid)
    expect(job["operation"].startswith("service_bindings.create"), f"the operation: {job['operation']}")
    # Asked in this order: a binding that is done before its job is would be a fault.
    expect(operation["state"] == "in progress" or job["state"] == "COMPLETE", f"the operation: {operation}")
    done = completed(cf.operator, guid)
    equal((done["state"], done["errors"]), ("COMPLETE", []), "the job")
    equal(done.service_credential_binding()["last_operation"]["state"], "succeeded", "the operation at the end")


@behaviour("The client waits for the job of a binding, and finds the binding", CREATE)
def _(cf):
    app, instance = unbound(cf.ada, cf.ada.app("web", "staging"), cf.ada.instance("cache", "staging"))
    bind(cf.ada, app, instance, name="fast", asynchronous=False)
    binding = cf.ada.binding(app, instance)
    equal((binding["name"], binding["type"]), ("fast", "app"), "the binding")
    unbind(cf.ada, binding)


@behaviour("A binding to a user-provided instance is there at once, with 201", CREATE)
def _(cf):
    app, instance = unbound(cf.operator, cf.operator.app("shop", "staging"), cf.operator.instance("logs", "staging"))
    binding = bind(cf.operator, app, instance)
    equal(cf.recorder.last.status, 201, "the status")
    equal(binding["last_operation"]["state"], "succeeded", "the operation")
    equal(cf.operator.binding(app, instance)["guid"], binding["guid"], "the binding in the list")


@behaviour("A second binding between the two is refused with CF-UnprocessableEntity", CREATE)
def _(cf):
    app, instance = cf.operator.app("web"), cf.operator.instance("db")
    detail = refuses(*UNPROCESSABLE, bind, cf.operator, app, instance)
    expect(detail.startswith("The app is already bound to the service instance"), f"the detail: {detail}")


@behaviour("An app is not bound to an instance of another space, but CF-UnprocessableEntity", CREATE)
def _(cf):
    refuses(*UNPROCESSABLE, bind, cf.operator, cf.operator.app("web"), cf.operator.instance("cache", "staging"))


@behaviour("An auditor's binding is refused with CF-NotAuthorized", CREATE)
def _(cf):
    refuses(*FORBIDDEN, bind, cf.auditor, cf.auditor.app("web"), cf.auditor.instance("cache"))


@behaviour(
    "A binding names its app and its instance, and shows no credentials",
    "resources/service_credential_bindings/_object.md.erb",
)
def _(cf):
    app, instance = cf.reader.app("web"), cf.reader.instance("db")
    binding = cf.reader.binding(app, instance)
    related = {name: one["data"]["guid"] for name, one in binding["relationships"].items()}
    equal(related, {"app": app["guid"], "service_instance": instance["guid"]}, "the relationships")
    expect("credentials" not in binding, "credentials")


@behaviour(
    "A binding's details are refused to an auditor, and reading them writes an audit event",
    "resources/service_credential_bindings/_details.md.erb",
)
def _(cf):
    binding = cf.reader.binding(cf.reader.app("web"), cf.reader.instance("db"))
    path = f"/v3/service_credential_bindings/{binding['guid']}/details"
    refuses(*FORBIDDEN, cf.auditor.get, path)
    before = len(cf.reader.events(binding, "audit.service_binding.show"))
    expect("credentials" in cf.reader.get(path), "no credentials")
    equal(len(cf.reader.events(binding, "audit.service_binding.show")), before + 1, "the events")


@behaviour("A broker's binding is deleted by a job, and then is 404", DELETE)
def _(cf):
    app, instance = cf.operator.app("web", "staging"), cf.operator.instance("queue", "staging")
    binding = cf.operator.binding(app, instance)
    job = cf.operator.v3.service_credential_bindings._remove(binding["guid"])
    equal(cf.recorder.last.status, 202, "the status")
    equal(completed(cf.operator, job)["state"], "COMPLETE", "the job")
    refuses(*GONE, cf.operator.v3.service_credential_bindings.get, binding["guid"])
    bound(cf.operator, app, instance)


@behaviour("A binding to a user-provided instance is deleted at once, with 204", DELETE)
def _(cf):
    app, instance = cf.operator.app("web", "staging"), cf.operator.instance("logs", "staging")
    binding = cf.operator.binding(app, instance)
    unbind(cf.operator, binding)
    equal(cf.recorder.last.status, 204, "the status")
    refuses(*GONE, cf.operator.v3.service_credential_bindings.get, binding["guid"])
    bind(cf.operator, app, instance)


@behaviour("A manifest names what is bound, from the moment it is", "resources/manifests/_get.md")
def _(cf):
    app, instance = unbound(cf.ada, cf.ada.app("web", "staging"), cf.ada.instance("logs", "staging"))
    expect("- logs" not in cf.ada.v3.apps.get_manifest(app["guid"]), "names what is not bound")
    bind(cf.ada, app, instance)
    expect("- logs" in cf.ada.v3.apps.get_manifest(app["guid"]), "does not name what is bound")


@behaviour("A label on a binding does not move its updated_at", "resources/service_credential_bindings/_object.md.erb")
def _(cf):
    binding = cf.operator.binding(cf.operator.app("web"), cf.operator.instance("db"))
    until(lambda: later(cf, binding["updated_at"]), "time stands still")
    path = f"/v3/service_credential_bindings/{binding['guid']}"
    labelled = cf.operator.patch(path, {"metadata": {"labels": {"tier": "gold"}}})
    equal((labelled["metadata"]["labels"], labelled["updated_at"]), ({"tier": "gold"}, binding["updated_at"]), "after")
    cleared = cf.operator.patch(path, {"metadata": {"labels": {"tier": None}}})
    equal(cleared["metadata"]["labels"], {}, "the labels at the end")


def later(cf, stamp):
    """Whether the foundation's clock is past this second, by what the newest event tells."""
    app = cf.operator.app("shop")
    cf.operator.v3.apps.get_env(app["guid"])
    return cf.operator.events(app, "audit.app.environment.show")[-1]["created_at"] > stamp


@behaviour("Binding and unbinding write audit events that name who did it", "resources/audit_events/_header.md.erb")
def _(cf):
    app, instance = unbound(cf.ada, cf.ada.app("shop", "staging"), cf.ada.instance("cache", "staging"))
    binding = bound(cf.ada, app, instance)
    unbind(cf.ada, binding)
    for what in ("create", "delete"):
        event = cf.ada.events(binding, f"audit.service_binding.{what}")[-1]
        equal((event["actor"]["type"], event["actor"]["name"]), ("user", "ada@example.com"), f"who did {what}")
        expect(event["space"]["guid"] and event["organization"]["guid"], "no space")
