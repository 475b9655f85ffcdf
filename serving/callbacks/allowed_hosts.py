"""The operator's list of hosts that callbacks may reach although they are not on the internet."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from modelyard.serving.callbacks.global_addresses import Address, is_global, literal

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Names, and networks of addresses; nothing by default.

    A host that is listed by its name, or is written as an address of a listed network, may also be
    reached without TLS.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "AllowedHosts":
        """Read names, addresses and networks (10.0.0.0/8), separated by commas.

        Raises ValueError for a network that is none.
        """
        words = [word.strip().lower() for word in text.split(",") if word.strip()]
        is_name = {word: literal(word) is None and "/" not in word for word in words}
        names = frozenset(word.rstrip(".") for word in words if is_name[word])
        return cls(names, tuple(ip_network(word) for word in words if not is_name[word]))

    def lists(self, host: str) -> bool:
        """Whether the operator vouches for a host as it stands in a URL."""
        address = literal(host)
        return host.lower().rstrip(".") in self.names if address is None else self.has(address)

    def has(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def may_reach(self, host: str, address: Address) -> bool:
        """Whether a callback to a URL of `host` may connect to this address."""
        is_scoped = isinstance(address, IPv6Address) and address.scope_id is not None
        if address.is_multicast or address.is_unspecified or is_scoped:
            return False
        return is_global(address) or self.lists(host) or self.has(address)


NONE_ALLOWED = AllowedHosts()
