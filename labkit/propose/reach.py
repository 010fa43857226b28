"""Whether anybody listens at a server's address: a connection is opened and closed, nothing is asked."""

import socket
from urllib.request import getproxies

import httpx2

_PORTS = {"http": 80, "https": 443}


def unreached(url: httpx2.URL, connect_s: float) -> httpx2.ConnectError | None:
    """Return why nobody can be reached at `url`, as the SDK's transport would raise it; None if somebody listens.

    Where a proxy stands in between, only a request would tell: None as well.
    """
    if url.scheme not in _PORTS or _behind_proxy(url):
        return None
    place = (url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
    try:
        socket.create_connection(place, connect_s).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that no resolver would take
        return httpx2.ConnectError(str(error))
    return None


def _behind_proxy(url: httpx2.URL) -> bool:
    """Return whether the SDK may go through a proxy: one is named, and this very host is not exempted.

    Domains and networks among the exemptions are not looked into.
    """
    proxies = getproxies()
    exempted = {host.strip().strip("[]").lower() for host in proxies.get("no", "").split(",")}
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not exempted & {"*", url.host.lower()}
