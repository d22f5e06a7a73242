"""The HTTP door: events, models and factors in; journal, readings and status out.

One file a concern; each has `routes(...)`, which gives a router whose routes begin with
`needs(role)` (`guard.py`) and say in `describe(...)` (`described.py`) what they take and answer.
`service.py` hands them to `app.build`. Errors are problem documents (`problems.py`).
A 201 means the records are on disk.
"""

from ingestor.api.app import Server, build, server

__all__ = ["Server", "build", "server"]
