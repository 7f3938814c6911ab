"""Every answer that the client gets, as it arrived: what is judged afterwards."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from requests.adapters import HTTPAdapter


@dataclass(frozen=True)
class Exchange:
    method: str
    path: str
    query: dict
    status: int
    headers: dict
    text: str

    @property
    def body(self):
        """The JSON of the answer, whatever it calls itself; None if it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def kind(self):
        """The content type without its parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip()

    def __str__(self):
        return f"{self.method} {self.path} ({self.status})"


class Recorder:
    """Looks over the shoulder of the library that the client sends its requests with."""

    def __init__(self):
        self.exchanges = []

    def start(self):
        send = HTTPAdapter.send

        def recorded(adapter, request, **options):
            response = send(adapter, request, **options)
            self.note(request, response)
            return response

        HTTPAdapter.send = recorded

    def note(self, request, response):
        url = urlsplit(request.url)
        prefix, _, below = url.path.removeprefix("/_cf/").partition("/")
        if url.path.startswith("/_cf/") and prefix:
            headers = {name.lower(): value for name, value in response.headers.items()}
            query = parse_qs(url.query, keep_blank_values=True)
            path = f"/{below}"
            self.exchanges.append(Exchange(request.method, path, query, response.status_code, headers, response.text))

    @property
    def last(self):
        return self.exchanges[-1]

    def since(self, mark):
        """The exchanges after the first `mark` ones."""
        return self.exchanges[mark:]

    @property
    def mark(self):
        return len(self.exchanges)
