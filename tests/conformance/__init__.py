"""What AWS documents, asked of a cloud: the simulated one, moto, ministack, or whatever answers.

Every behaviour is one function in the module of its service: a sentence, the page of AWS's reference
that says so, and the question. `python -m conformance --help` (in `tests/`) asks them all. Nothing
here knows moored: it needs boto3 and an endpoint.
"""
