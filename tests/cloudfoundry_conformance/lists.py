"""Lists: their pages, what may be asked of them, what they include and what they hide."""

from .behaviours import behaviour, equal, expect, refuses

PAGES = "concepts/_pagination.md.erb"
QUERY = "concepts/_query_parameters.md.erb"
FILTERS = "concepts/_filters.md.erb"
HIDDEN = "[PRIVATE DATA HIDDEN IN LISTS]"
#: Everything that moored lists.
LISTS = (
    "organizations",
    "spaces",
    "apps",
    "processes",
    "service_credential_bindings",
    "service_instances",
    "service_offerings",
    "service_plans",
    "routes",
    "domains",
    "buildpacks",
    "stacks",
    "droplets",
    "deployments",
    "audit_events",
)


def named(rows):
    return [row["name"] for row in rows]


def lists_everything(name):
    @behaviour(f"GET /v3/{name} names everything exactly once over its pages", f"resources/{name}/_list.md.erb")
    def _(cf):
        manager = cf.paged.manager(name)
        mark = cf.recorder.mark
        listed = manager.list()
        guids = [row["guid"] for row in listed]
        pages = cf.recorder.since(mark)
        expect(len(pages) > 1, "has one page only")
        equal(len(set(guids)), len(guids), "how many of the rows differ")
        equal({page.body["pagination"]["total_results"] for page in pages}, {len(guids)}, "total_results")
        equal(len(pages), pages[0].body["pagination"]["total_pages"], "how many pages there were")
        expect(pages[-1].body["pagination"]["next"] is None, "a page after the last")


for each in LISTS:
    lists_everything(each)


@behaviour("A page links to the first, the last and its neighbours, with the parameters of the request", PAGES)
def _(cf):
    middle = cf.reader.get("/v3/apps", per_page=2, page=2, order_by="name")["pagination"]
    for name, page in (("first", 1), ("previous", 1), ("next", 3), ("last", middle["total_pages"])):
        href = middle[name]["href"]
        expect(href.startswith(f"{cf.base}/v3/apps?"), f"{name}: {href}")
        for part in (f"page={page}", "per_page=2", "order_by=name"):
            expect(part in href.partition("?")[2].split("&"), f"{name} lacks {part}")
    expect(cf.reader.get("/v3/apps")["pagination"]["previous"] is None, "a page before the first")


@behaviour("A page has fifty rows unless it is asked for more", PAGES)
def _(cf):
    page = cf.reader.get("/v3/audit_events")
    expect(page["pagination"]["total_results"] > 50, "too few events to tell")
    equal(len(page["resources"]), 50, "the length of the page")


@behaviour("A page of 5000 rows may be asked for, one of 5001 is refused with CF-BadQueryParameter", PAGES)
def _(cf):
    expect(cf.reader.get("/v3/apps", per_page=5000)["pagination"]["total_pages"] == 1, "more than one page")
    for per_page in (5001, 0):
        refuses(400, "CF-BadQueryParameter", 10005, cf.reader.get, "/v3/apps", per_page=per_page)


@behaviour("A page beyond the last has no rows", PAGES)
def _(cf):
    page = cf.reader.get("/v3/apps", page=1000)
    equal(page["resources"], [], "its rows")


@behaviour("An unknown parameter is refused with CF-BadQueryParameter, which names the valid ones", QUERY)
def _(cf):
    detail = refuses(400, "CF-BadQueryParameter", 10005, cf.reader.get, "/v3/processes", embedded="yes")
    expect("embedded" in detail and "'embed'" in detail, f"the detail: {detail}")


@behaviour("Lists are in the order of creation unless they are asked for another", PAGES)
def _(cf):
    rows = cf.reader.rows("audit_events", per_page=5000)
    stamps = [row["created_at"] for row in rows]
    equal(stamps, sorted(stamps), "the stamps")
    backwards = [row["guid"] for row in cf.reader.rows("audit_events", per_page=5000, order_by="-created_at")]
    stamp = {row["guid"]: row["created_at"] for row in rows}
    turned = [stamp[guid] for guid in backwards if guid in stamp]
    equal(turned, sorted(turned, reverse=True), "the stamps of -created_at")


@behaviour("An order that a list does not know is refused with CF-BadQueryParameter", PAGES)
def _(cf):
    refuses(400, "CF-BadQueryParameter", 10005, cf.reader.get, "/v3/apps", order_by="colour")


@behaviour("Values of one filter are alternatives, filters together narrow", FILTERS)
def _(cf):
    prod = cf.reader.space("prod")["guid"]
    both = cf.reader.rows("apps", names=["web", "shop"], space_guids=prod)
    equal(sorted(named(both)), ["shop", "web"], "the apps")
    none = cf.reader.rows("apps", names="web", space_guids="none")
    equal(none, [], "the apps of no space")


@behaviour("Apps and spaces are found by name in any case", FILTERS)
def _(cf):
    expect(cf.reader.rows("apps", names="WEB"), "no app")
    equal(named(cf.reader.rows("spaces", names="PROD")), ["prod"], "the spaces")


@behaviour("Things are found by their guids", FILTERS)
def _(cf):
    wanted = {row["guid"] for row in cf.reader.rows("apps")[:2]}
    equal({row["guid"] for row in cf.reader.rows("apps", guids=sorted(wanted))}, wanted, "the apps")


@behaviour("created_ats with gte shows that second and everything after it", FILTERS)
def _(cf):
    rows = cf.reader.rows("audit_events", per_page=5000)
    newest = max(row["created_at"] for row in rows)
    late = cf.reader.rows("audit_events", **{"created_ats[gte]": newest})
    expect(late and all(row["created_at"] >= newest for row in late), "other events")
    earlier = cf.reader.rows("audit_events", **{"created_ats[lt]": newest, "per_page": 5000})
    expect(all(row["created_at"] < newest for row in earlier), "later events")


@behaviour("A time with a fraction of a second is refused with CF-BadQueryParameter", "concepts/_timestamps.md.erb")
def _(cf):
    query = {"created_ats[gte]": "2026-01-01T00:00:00.5Z"}
    refuses(400, "CF-BadQueryParameter", 10005, cf.reader.get, "/v3/apps", **query)


@behaviour("include=organization adds each organisation of the spaces once", "concepts/_includes.md.erb")
def _(cf):
    page = cf.reader.get("/v3/spaces", include="organization")
    parents = {row["relationships"]["organization"]["data"]["guid"] for row in page["resources"]}
    included = [row["guid"] for row in page["included"]["organizations"]]
    equal((len(included), set(included)), (len(parents), parents), "the organisations")


@behaviour("The client finds an included space in its app", "concepts/_includes.md.erb")
def _(cf):
    app = cf.reader.only("apps", names="web", include="space", space_guids=cf.reader.space("prod")["guid"])
    equal(app.space()["name"], "prod", "the name of the space")


@behaviour("fields shows the chosen members of plan and offering, and nothing else of them", "concepts/_fields.md.erb")
def _(cf):
    chosen = {
        "service_plan": ["name", "guid", "relationships.service_offering"],
        "service_plan.service_offering": ["name", "guid"],
        "space": ["name", "guid"],
    }
    query = {f"fields[{parent}]": ",".join(members) for parent, members in chosen.items()}
    included = cf.reader.get("/v3/service_instances", **query)["included"]
    equal(sorted(included), ["service_offerings", "service_plans", "spaces"], "what is included")
    for row in included["service_plans"]:
        equal(sorted(row), ["guid", "name", "relationships"], "the members of a plan")
    for row in included["service_offerings"]:
        equal(sorted(row), ["guid", "name"], "the members of an offering")


@behaviour("embed=process_instances shows every instance's state in the list", "concepts/_embed.md.erb")
def _(cf):
    rows = cf.reader.rows("processes", embed="process_instances")
    expect(all("process_instances" in row for row in rows), "processes without instances")
    shown = [instance for row in rows for instance in row["process_instances"]]
    expect(shown and all(sorted(each) == ["index", "since", "state"] for each in shown), "another shape")
    expect(all("process_instances" not in row for row in cf.reader.rows("processes")), "instances unasked")


@behaviour(
    "A list shows no command and no start command of a droplet, not even to admins", "resources/processes/_list.md.erb"
)
def _(cf):
    for who in (cf.reader, cf.operator, cf.auditor):
        equal({row["command"] for row in who.rows("processes")}, {HIDDEN}, "the commands")
        for row in who.rows("droplets"):
            equal((row["execution_metadata"], list(row["process_types"])), (HIDDEN, ["redacted_message"]), "a droplet")


@behaviour("Buildpacks are listed in the order of detection", "resources/buildpacks/_list.md.erb")
def _(cf):
    positions = [row["position"] for row in cf.reader.rows("buildpacks")]
    equal(positions, list(range(1, len(positions) + 1)), "the positions")


@behaviour("type=app shows bindings of apps, and no keys", "resources/service_credential_bindings/_list.md.erb")
def _(cf):
    rows = cf.reader.rows("service_credential_bindings", type="app")
    expect(rows and all(row["type"] == "app" and row["relationships"]["app"] for row in rows), "others too")


@behaviour("Whoever has roles in spaces sees these spaces only, with 200", "concepts/_authorization.md.erb")
def _(cf):
    equal(sorted(named(cf.scoped.rows("spaces"))), ["prod", "staging"], "the spaces")
    equal(named(cf.scoped.rows("organizations")), ["harbor"], "the organisations")
    seen = {row["guid"] for row in cf.scoped.rows("spaces")}
    apps = cf.scoped.rows("apps")
    expect(apps and all(row["relationships"]["space"]["data"]["guid"] in seen for row in apps), "apps elsewhere")


@behaviour("Buildpacks and stacks are shown to everybody", "resources/buildpacks/_list.md.erb")
def _(cf):
    for name in ("buildpacks", "stacks"):
        equal(len(cf.scoped.rows(name)), len(cf.reader.rows(name)), name)


@behaviour(
    "Audit events of the whole foundation are for roles of the whole foundation", "resources/audit_events/_list.md.erb"
)
def _(cf):
    kind = "audit.buildpack.create"
    expect(cf.auditor.rows("audit_events", types=kind), "none for the auditor")
    equal(cf.scoped.rows("audit_events", types=kind), [], "for a space auditor")
