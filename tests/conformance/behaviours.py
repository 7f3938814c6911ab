"""How a behaviour is declared, and the words in which it judges an answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

DOCS = "https://docs.aws.amazon.com/"

#: What a cloud has to be told before it does it.
FAULTS = ("throttle", "denied", "expired-token", "unprocessed-keys")


@dataclass(frozen=True)
class Behaviour:
    sentence: str
    page: str
    ask: Callable
    fault: str | None

    @property
    def reference(self):
        return self.page if self.page.startswith("https://") else DOCS + self.page

    @property
    def page_name(self):
        """What the link is called: the operation, or the page's own name."""
        name = self.reference.rsplit("/", 1)[-1].removesuffix(".html")
        return name.removeprefix("API_")


class Differs(Exception):
    """The cloud answers something other than AWS documents; the message says what."""


BEHAVIOURS: list[Behaviour] = []


def behaviour(sentence, page, fault=None):
    """Declares the function below as a documented behaviour. `fault` names what the cloud has to be
    told to do to this account; only a prepared cloud can be."""
    assert fault is None or fault in FAULTS, fault
    assert all(other.sentence != sentence for other in BEHAVIOURS), sentence

    def declare(ask):
        BEHAVIOURS.append(Behaviour(sentence, page, ask, fault))
        return ask

    return declare


def expect(holds, instead):
    """What a cloud does instead goes into a table: short, and the same in every run."""
    if not holds:
        raise Differs(instead)


def equal(actual, expected, what):
    expect(actual == expected, f"{what}: {actual!r}")


def refuses(codes, call, /, status=None, **request):
    """The call is refused with this code (or one of these), and with this HTTP status if given."""
    codes = (codes,) if isinstance(codes, str) else codes
    try:
        call(**request)
    except ClientError as error:
        code = spoken(error)
        expect(code in codes, f"answers {code}")
        actual = error.response["ResponseMetadata"]["HTTPStatusCode"]
        expect(status in (None, actual), f"HTTP {actual} with the right code")
        return error.response
    raise Differs("accepts it")


def spoken(error):
    """The code of an error; emulators that know no such operation answer a web page or their own."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if re.fullmatch(r"[A-Za-z.]+", code) else f"HTTP {code or 'error'} without an AWS code"


def outcome(ask, account):
    """None if it behaves as documented, else what it does instead."""
    try:
        ask(account)
    except Differs as differs:
        return str(differs)
    except ClientError as error:
        return f"{error.operation_name} answers {spoken(error)}"
    except BotoCoreError as error:
        return f"no readable answer ({type(error).__name__})"
    except KeyError as error:
        return f"no {error.args[0]} in the answer"
    except (IndexError, TypeError, ValueError) as error:
        return f"not the answer's form ({type(error).__name__}: {error})"
    return None
