"""URLs that lead into our own network, in every form in which an address can be written."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

INSIDE = (
    "0.0.0.0",  # noqa: S104  nothing listens there
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
INSIDE_V6 = (
    "::",
    "::1",
    "::ffff:0:127.0.0.1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2001:10::1",
    "2001:2::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
)
NAMES = (
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "printer.local",
    "metadata.google.internal",
    "box.home.arpa",
)


def inside_addresses() -> list[IPv4Address | IPv6Address]:
    """Addresses that a resolver may answer with, of which none is on the internet."""
    mapped = [f"::ffff:{address}" for address in INSIDE]
    nat64 = [f"64:ff9b::{address}" for address in INSIDE]
    local_nat64 = [f"64:ff9b:1::{address}" for address in INSIDE]
    compatible = [f"::{address}" for address in INSIDE]
    relayed = [str(_six_to_four(address)) for address in INSIDE]
    every = (*INSIDE, *INSIDE_V6, *mapped, *nat64, *local_nat64, *compatible, *relayed)
    return [ip_address(address) for address in every]


def hostile_urls(port: int) -> Iterator[str]:
    """Each with a port at which a listener of ours would notice it."""
    for address in inside_addresses():
        host = str(address) if address.version == 4 else f"[{address}]"
        yield f"https://{host}:{port}/"
        yield f"http://{host}:{port}/"
    for host in (*NAMES, *_numbers()):
        yield f"https://{host}:{port}/"
    yield from _tricks(port)


def _six_to_four(address: str) -> IPv6Address:
    return IPv6Address((0x2002 << 112) | (int(IPv4Address(address)) << 80) | 1)


def _numbers() -> Iterator[str]:
    """What inet_aton takes for an address, though it does not look like one."""
    for address in INSIDE:
        number = int(IPv4Address(address))
        parts = address.split(".")
        yield str(number)
        yield hex(number)
        yield f"0{number:o}"
        yield ".".join(hex(int(part)) for part in parts)
        yield ".".join(f"0{int(part):o}" for part in parts)
        yield f"{parts[0]}.{number & 0xFFFFFF}"
        yield f"{address}."


def _tricks(port: int) -> Iterator[str]:
    """What one reader of URLs takes for another host than the next one does."""
    inside = f"127.0.0.1:{port}"
    yield from (
        f"https://example.com@{inside}/",
        f"https://example.com:443@{inside}/",
        f"https://{inside}\\@example.com/",
        f"https://example.com\\@{inside}/",
        f"https://{inside}#@example.com/",
        f"https://example.com#@{inside}/",
        f"https://{inside}?@example.com",
        f"https:///{inside}/",
        f"https:{inside}/",
        f"https:\\\\{inside}/",
        f"//{inside}/",
        f"https://127。0。0。1:{port}/",
        f"https://①②⑦.⓪.⓪.①:{port}/",
        f"https://127.0.0.1%2f:{port}/",
        f"https://127.0.0.1%00.example.com:{port}/",
        f"https://example.com\r\nHost: {inside}/",
        f"https://example.com\t@{inside}/",
        f"https://[::1%25lo]:{port}/",
        f"https://[::1]%00:{port}/",
        f"https://[127.0.0.1]:{port}/",
        f"https://[v1.127.0.0.1]:{port}/",
        f" https://{inside}/",
        f"ftp://{inside}/",
        f"file://{inside}/etc/passwd",
        f"gopher://{inside}/",
        f"unix://{inside}/",
        f"HTTP://{inside}/",
        "https://",
        "https://:443/",
        "https://.../",
        "https://-/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 200}example/",
    )
