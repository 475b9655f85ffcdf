"""How a worker shows that it has the installation's secret, without anybody sending it.

Whoever asks presents a token that is good for this question only: at the address of a worker that
has ended somebody else may be listening.
"""

import hashlib
import hmac


def asking_token(internal_token: str) -> str:
    """The token with which a worker may be asked whether it lives."""
    return _derived(internal_token, "may ask whether a worker lives")


def proof(internal_token: str, nonce: str) -> str:
    """What only a process with the token can answer to this nonce."""
    return _derived(internal_token, f"lives:{nonce}")


def is_proof(given: object, internal_token: str, nonce: str) -> bool:
    right = proof(internal_token, nonce).encode()
    return hmac.compare_digest(str(given).encode(), right)


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()
