"""The foundations that are asked, through the independent client; world.rs says what they hold."""

from functools import cached_property

import requests
from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.v3.entities import EntityManager

SECRET = "simulated"
USER = "ada@example.com"
ORGANIZATION = "harbor"
HOST = "api.example.com"
PAGED = "paged.example.com"


class Signed:
    """A client that has signed in, with the few calls that cloudfoundry-client has no name for."""

    def __init__(self, base, **credentials):
        self.base = base
        self.client = CloudFoundryClient(base, **credentials)

    @property
    def v3(self):
        return self.client.v3

    def manager(self, name):
        """The client's own manager of a resource, or its general one."""
        own = getattr(self.v3, name, None)
        # Not `own or …`: the truth of a manager is the length of its list, which is a request.
        return EntityManager(self.base, self.client, f"/v3/{name}") if own is None else own

    def rows(self, name, **query):
        """Every row of a list, over as many pages as there are."""
        return list(self.manager(name).list(**query))

    def only(self, name, **query):
        """The one row that the query finds."""
        (row,) = self.rows(name, **query)
        return row

    def get(self, path, **query):
        return self.client.get(self.base + path, params=query or None).json()

    def post(self, path, body):
        return self.client.post(self.base + path, json=body)

    def patch(self, path, body):
        return self.client.patch(self.base + path, json=body).json()

    def app(self, name, space="prod"):
        """An app, by its name."""
        return self.only("apps", names=name, space_guids=self.space(space)["guid"])

    def space(self, name):
        return self.only("spaces", names=name)

    def instance(self, name, space="prod"):
        return self.only("service_instances", names=name, space_guids=self.space(space)["guid"])

    def processes(self, app, kind="web"):
        """An app's processes of this type, oldest first."""
        return self.rows("processes", app_guids=app["guid"], types=kind)

    def binding(self, app, instance):
        """The binding between the two, or None."""
        query = {"app_guids": app["guid"], "service_instance_guids": instance["guid"]}
        return next(iter(self.rows("service_credential_bindings", **query)), None)

    def events(self, target, kind):
        """The audit events of this type about this thing, newest last."""
        return self.rows("audit_events", target_guids=target["guid"], types=kind, order_by="created_at")


class Foundations:
    """Everybody who can sign in, each signed in when first needed."""

    def __init__(self, endpoint, recorder):
        self.endpoint = endpoint.rstrip("/")
        self.recorder = recorder
        self.base = f"{self.endpoint}/_cf/{HOST}"

    def signed_in(self, client_id, host=HOST):
        signed = Signed(f"{self.endpoint}/_cf/{host}", client_id=client_id, client_secret=SECRET)
        signed.client.init_with_client_credentials()
        return signed

    @cached_property
    def auditor(self):
        return self.signed_in("auditor")

    @cached_property
    def reader(self):
        return self.signed_in("reader")

    @cached_property
    def operator(self):
        return self.signed_in("operator")

    @cached_property
    def scoped(self):
        return self.signed_in("scoped")

    @cached_property
    def fleeting(self):
        return self.signed_in("fleeting")

    @cached_property
    def paged(self):
        """Somebody who sees everything, two rows a page."""
        return self.signed_in("reader", PAGED)

    @cached_property
    def ada(self):
        signed = Signed(self.base)
        signed.client.init_with_user_credentials(USER, SECRET)
        return signed

    def plain(self, path, **headers):
        """A GET without the client: nobody's, or with whatever these headers say."""
        return requests.get(self.base + path, headers=headers, timeout=30)

    def stage(self, act):
        """Has a simulated person do what no request of the API does."""
        requests.post(f"{self.endpoint}/_stage/{act}", timeout=30).raise_for_status()
