"""Admin buildpacks: where a new one lands, whom it pushes aside, and who may."""

import os
import tempfile

from .behaviours import behaviour, equal, expect, refuses
from .bindings import UNPROCESSABLE, completed
from .reading import FORBIDDEN

CREATE = "resources/buildpacks/_create.md.erb"
UPDATE = "resources/buildpacks/_update.md.erb"
DECLARED = ["staticfile_buildpack", "java_buildpack", "ruby_buildpack"]


def order(signed):
    return [row["name"] for row in signed.rows("buildpacks")]


def remove(signed, buildpack):
    completed(signed, signed.v3.buildpacks.remove(buildpack["guid"]))


@behaviour("A buildpack that is made without a position is the first, enabled, for any stack, without bits", CREATE)
def _(cf):
    made = cf.operator.post("/v3/buildpacks", {"name": "cats"}).json()
    try:
        shown = {name: made[name] for name in ("position", "enabled", "locked", "stack", "filename", "state")}
        expected = {"position": 1, "enabled": True, "locked": False, "stack": None, "filename": None}
        equal(shown, expected | {"state": "AWAITING_UPLOAD"}, "the buildpack")
        equal(order(cf.operator), ["cats", *DECLARED], "the order")
    finally:
        remove(cf.operator, made)
    equal(order(cf.operator), DECLARED, "the order without it")


@behaviour("A new first buildpack pushes the others down, and their updated_at does not move", CREATE)
def _(cf):
    before = {row["guid"]: row for row in cf.operator.rows("buildpacks")}
    made = cf.operator.post("/v3/buildpacks", {"name": "cats", "position": 1}).json()
    try:
        for row in cf.operator.rows("buildpacks"):
            old = before.get(row["guid"])
            expect(old is None or row["position"] == old["position"] + 1, "a position that stays")
            expect(old is None or row["updated_at"] == old["updated_at"], "an updated_at that moves")
    finally:
        remove(cf.operator, made)


@behaviour("A position that is too large is the last", UPDATE)
def _(cf):
    first = cf.operator.rows("buildpacks")[0]
    moved = cf.operator.patch(f"/v3/buildpacks/{first['guid']}", {"position": 99})
    equal((moved["position"], order(cf.operator)), (3, DECLARED[1:] + DECLARED[:1]), "the order")
    cf.operator.patch(f"/v3/buildpacks/{first['guid']}", {"position": 1})
    equal(order(cf.operator), DECLARED, "the order at the end")


@behaviour("A buildpack is switched off and locked where it stands", UPDATE)
def _(cf):
    first = cf.operator.rows("buildpacks")[0]
    path = f"/v3/buildpacks/{first['guid']}"
    switched = cf.operator.patch(path, {"enabled": False, "locked": True})
    shown = (switched["enabled"], switched["locked"], switched["position"])
    equal(shown, (False, True, first["position"]), "the buildpack")
    cf.operator.patch(path, {"enabled": True, "locked": False})


@behaviour(
    "An upload is accepted with a job, and then the buildpack is READY with its file's name",
    "resources/buildpacks/_upload_bits.md.erb",
)
def _(cf):
    made = cf.operator.v3.buildpacks.create("cats", position=99, stack="cflinuxfs4")
    name = "cats_buildpack-cached-cflinuxfs4-v0.1.0.zip"
    try:
        with tempfile.TemporaryDirectory() as folder:
            bits = os.path.join(folder, name)
            with open(bits, "wb") as file:
                file.write(b"PK\x05\x06" + bytes(18))
            cf.operator.v3.buildpacks.upload(made["guid"], bits)
        ready = cf.operator.v3.buildpacks.get(made["guid"])
        expect(ready["filename"].endswith(name), f"the name: {ready['filename']}")
        equal(ready["state"], "READY", "the state")
    finally:
        remove(cf.operator, made)


@behaviour("A name and stack that are taken are refused with CF-UnprocessableEntity", CREATE)
def _(cf):
    taken = {"name": DECLARED[0], "stack": "cflinuxfs4"}
    refuses(*UNPROCESSABLE, cf.operator.post, "/v3/buildpacks", taken)


@behaviour("A stack that does not exist is refused with CF-UnprocessableEntity", CREATE)
def _(cf):
    refuses(*UNPROCESSABLE, cf.operator.post, "/v3/buildpacks", {"name": "cats", "stack": "none"})


@behaviour("A buildpack is an admin's to make: others are refused with CF-NotAuthorized", CREATE)
def _(cf):
    for who in (cf.reader, cf.auditor, cf.ada):
        refuses(*FORBIDDEN, who.post, "/v3/buildpacks", {"name": "cats"})


@behaviour("Audit events name who made and deleted a buildpack", "resources/audit_events/_header.md.erb")
def _(cf):
    made = cf.operator.post("/v3/buildpacks", {"name": "cats"}).json()
    remove(cf.operator, made)
    for what in ("create", "delete"):
        (event,) = cf.auditor.events(made, f"audit.buildpack.{what}")
        equal((event["actor"]["guid"], event["target"]["name"]), ("operator", "cats"), what)
        expect(event["space"] is None and event["organization"] is None, "a space")
