"""Where sign-in is found, the three grants, and what becomes of a request without a good token."""

from oauth2_client.credentials_manager import OAuthError

from .behaviours import Differs, behaviour, equal, expect
from .foundations import SECRET, USER, Signed

ROOT = "resources/root/_global_root.md.erb"
ERRORS = "concepts/_errors.md.erb"
UAA = "https://docs.cloudfoundry.org/api/uaa/version/75.19.0/index.html#"


def not_granted(status, error, sign_in, *credentials):
    try:
        sign_in(*credentials)
    except OAuthError as refusal:
        equal((refusal.status_code.value, refusal.error), (status, error), "the refusal")
        return
    raise Differs("grants a token")


def refusal(answer):
    error = answer.json()["errors"][0]
    return answer.status_code, error["title"], error["code"]


@behaviour("The root names the API's version and where to sign in, without a token", ROOT)
def _(cf):
    links = cf.plain("/").json()["links"]
    version = links["cloud_controller_v3"]["meta"]["version"]
    expect(len([part for part in version.split(".") if part.isdigit()]) == 3, f"the version: {version!r}")
    expect(links["login"]["href"].startswith("http") and links["uaa"]["href"].startswith("http"), "no address")


@behaviour(
    "client_credentials gives a token with the client's authorities and nothing to refresh it",
    UAA + "client-credentials-grant",
)
def _(cf):
    signed = cf.signed_in("auditor")
    granted = cf.recorder.last.body
    expect("cloud_controller.global_auditor" in granted["scope"].split(), f"the scope: {granted['scope']!r}")
    expect("refresh_token" not in granted and signed.client.refresh_token is None, "a refresh token")
    expect(signed.rows("spaces"), "the token shows no space")


@behaviour("password, by the client cf without a secret, gives a token and a refresh token", UAA + "password-grant")
def _(cf):
    signed = Signed(cf.base)
    signed.client.init_with_user_credentials(USER, SECRET)
    granted = cf.recorder.last.body
    expect(signed.client.refresh_token, "no refresh token")
    expect(0 < granted["expires_in"] < 43_200, f"expires_in: {granted['expires_in']!r}")
    expect(signed.rows("spaces"), "the token shows no space")


@behaviour("refresh_token gives a new token to the same user", UAA + "refresh-token")
def _(cf):
    first = Signed(cf.base)
    first.client.init_with_user_credentials(USER, SECRET)
    second = Signed(cf.base)
    second.client.init_with_token(first.client.refresh_token)
    expect(second.client._access_token != first.client._access_token, "the same token")
    equal(len(second.rows("apps")), len(first.rows("apps")), "the number of apps")


@behaviour("A wrong client secret is refused with unauthorized, 401", UAA + "client-credentials-grant")
def _(cf):
    wrong = Signed(cf.base, client_id="auditor", client_secret="wrong")
    not_granted(401, "unauthorized", wrong.client.init_with_client_credentials)


@behaviour("A wrong password is refused with unauthorized, 401", UAA + "password-grant")
def _(cf):
    not_granted(401, "unauthorized", Signed(cf.base).client.init_with_user_credentials, USER, "wrong")


@behaviour("A refresh token that nobody issued is refused with invalid_token, 401", UAA + "refresh-token")
def _(cf):
    not_granted(401, "invalid_token", Signed(cf.base).client.init_with_token, "never-issued-r")


@behaviour("A request without a token is refused with CF-NotAuthenticated, 401", ERRORS)
def _(cf):
    equal(refusal(cf.plain("/v3/apps")), (401, "CF-NotAuthenticated", 10002), "the refusal")


@behaviour("A token that nobody issued is refused with CF-InvalidAuthToken, 401", ERRORS)
def _(cf):
    answer = cf.plain("/v3/apps", Authorization="bearer never-issued")
    equal(refusal(answer), (401, "CF-InvalidAuthToken", 1000), "the refusal")


@behaviour("The scheme of the token is read in any case", "concepts/_authentication.md.erb")
def _(cf):
    for scheme in ("bearer", "Bearer"):
        answer = cf.plain("/v3/spaces", Authorization=f"{scheme} {cf.reader.client._access_token}")
        equal(answer.status_code, 200, scheme)


@behaviour("GET /v3/info tells the rate limit without a token", "resources/info/_get.md.erb")
def _(cf):
    limits = cf.plain("/v3/info").json()["rate_limits"]
    equal(sorted(limits), ["enabled", "general_limit", "reset_interval_in_minutes"], "its members")


@behaviour("An answer to whom the limit holds tells what is left of it", "resources/info/_get.md.erb")
def _(cf):
    cf.auditor.rows("spaces")
    headers = cf.recorder.last.headers
    for name in ("limit", "remaining", "reset"):
        expect(headers.get(f"x-ratelimit-{name}", "").isdigit(), f"no X-RateLimit-{name}")


@behaviour("Admins that only read are not limited, and are told nothing of it", "resources/info/_get.md.erb")
def _(cf):
    cf.reader.rows("spaces")
    found = [name for name in cf.recorder.last.headers if name.startswith("x-ratelimit")]
    equal(found, [], "the headers")


@behaviour("Too many requests are answered 429 with Retry-After: JSON that calls itself text", ERRORS)
def _(cf):
    token = cf.auditor.client._access_token
    answer = cf.plain("/v3/organizations?names=throttled", Authorization=f"bearer {token}")
    equal(refusal(answer), (429, "CF-RateLimitExceeded", 10013), "the refusal")
    expect(answer.headers["Content-Type"].startswith("text/plain"), answer.headers["Content-Type"])
    expect(answer.headers.get("Retry-After", "").isdigit(), "no Retry-After")
