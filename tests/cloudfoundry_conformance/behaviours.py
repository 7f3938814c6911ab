"""How a behaviour is declared, and the words in which it judges an answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cloudfoundry_client.errors import InvalidEntity, InvalidStatusCode
from oauth2_client.credentials_manager import OAuthError

DOCS = "https://github.com/cloudfoundry/cloud_controller_ng/blob/main/docs/v3/source/includes/"
#: Longer than a rolling deployment takes on a clock that is not sped up.
PATIENCE = 60


@dataclass(frozen=True)
class Behaviour:
    sentence: str
    page: str
    ask: Callable

    @property
    def reference(self):
        return self.page if self.page.startswith("https://") else DOCS + self.page

    @property
    def page_name(self):
        """What the link is called: `apps/_list`, or the last part of a page elsewhere."""
        if self.page.startswith("https://"):
            return self.page.rsplit("/", 1)[-1].split("#")[-1]
        return self.page.removeprefix("resources/").split(".md")[0].replace("/_", ": ")


class Differs(Exception):
    """The foundation answers something other than what is documented; the message says what."""


BEHAVIOURS: list[Behaviour] = []


def behaviour(sentence, page):
    """Declares the function below as a documented behaviour."""
    assert all(other.sentence != sentence for other in BEHAVIOURS), sentence

    def declare(ask):
        BEHAVIOURS.append(Behaviour(sentence, page, ask))
        return ask

    return declare


def expect(holds, instead):
    if not holds:
        raise Differs(instead)


def equal(actual, expected, what):
    expect(actual == expected, f"{what}: {actual!r} where {expected!r} was expected")


def refuses(status, title, code, call, /, *arguments, **request):
    """The call is refused with this status, title and code. The detail of the refusal."""
    try:
        call(*arguments, **request)
    except InvalidStatusCode as error:
        expect(isinstance(error.body, dict) and error.body.get("errors"), f"no errors in {error.body!r}")
        first = error.body["errors"][0]
        spoken = (error.status_code.value, first.get("title"), first.get("code"))
        equal(spoken, (status, title, code), "the refusal")
        return first["detail"]
    raise Differs("accepts it")


def until(holds, instead):
    """Asks until it holds; a foundation may take its time, but not for ever. What held."""
    deadline = time.monotonic() + PATIENCE
    while not (held := holds()):
        if time.monotonic() > deadline:
            raise Differs(instead)
        time.sleep(0.1)
    return held


def outcome(ask, foundations):
    """None if it behaves as documented, else what it does instead."""
    try:
        ask(foundations)
    except Differs as differs:
        return str(differs)
    except (InvalidStatusCode, OAuthError) as error:
        return f"answers {error}"
    except InvalidEntity as error:
        return f"the client cannot read it ({error})"
    except KeyError as error:
        return f"no {error.args[0]} in the answer"
    except Exception as error:  # the line of this behaviour says it; the others are asked all the same
        return f"not the answer's form ({type(error).__name__}: {error})"
    return None
