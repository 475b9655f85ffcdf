"""Values at and beyond the ends of what databases, C and dates hold, as clients may send them."""

import json

NUMBERS = (
    2**31 - 1,
    2**31,
    2**32,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64,
    -1,
    -(2**31) - 1,
    -(2**63) - 1,
    10**30,
    10**400,
    0,
    0.5,
    -0.0,
    1e308,
)
WORDS = (
    "1_000",
    "\u0661",
    "²",
    "0x10",
    " 1 ",
    "+1",
    "1e400",
    "NaN",
    "Infinity",
    "9" * 5000,
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x" * 100_000,
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
)
OTHERS = (None, True, [], {}, [None], [[]], [2**64], {"1": 2**64}, {"9" * 5000: 1}, ["\0"])

UNQUOTED = ("1e400", "-1e400", "1" + "0" * 5000, "1e-400", "NaN", "-Infinity")
"""What JSON may hold, or nearly, and Python's writer does not write."""

IN_JSON = (*(json.dumps(value) for value in (*NUMBERS, *WORDS, *OTHERS)), *UNQUOTED)
"""Each as it stands in a body."""

IN_TEXT = (*(str(n) for n in NUMBERS if abs(n) < 10**100), *WORDS[:9], *WORDS[10:13], *WORDS[15:])
"""Each as it stands in an address."""
