"""How tests ask servers without TLS: httpx would read everybody's authorities each time, for 50 ms.

Nor is it patient for longer than 5 s by itself, which a busy machine may take.
"""

import ssl
from functools import partial

import httpx

_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_PATIENCE_S = 90.0

get = partial(httpx.get, verify=_NOBODY, timeout=_PATIENCE_S)
post = partial(httpx.post, verify=_NOBODY, timeout=_PATIENCE_S)
put = partial(httpx.put, verify=_NOBODY, timeout=_PATIENCE_S)
stream = partial(httpx.stream, verify=_NOBODY, timeout=_PATIENCE_S)
Client = partial(httpx.Client, verify=_NOBODY, timeout=_PATIENCE_S)
AsyncClient = partial(httpx.AsyncClient, verify=_NOBODY, timeout=_PATIENCE_S)
