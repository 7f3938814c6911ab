"""What Cloud Foundry documents, asked of a foundation by a client that is not ours.

The client is PyPI's cloudfoundry-client. Every behaviour is one function in the module of its
subject: a sentence, the page of the documentation that says so, and the question. What the client
was answered is then held against the API's OpenAPI document and against recorded and documented
samples, where the environment names them. `python -m cloudfoundry_conformance --help` (in `tests/`)
asks everything. Nothing here knows moored: it needs the foundations that world.rs describes.
"""
