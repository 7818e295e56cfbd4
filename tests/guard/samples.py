"""Made-up identifiers with right control digits, and the rules that most tests share."""

from __future__ import annotations

import random

from countersign.guard import checksums
from countersign.guard.output import OutputRules

CANARY = "cs-0a1b2c3d4e5f60718293a4b5"
PROVIDER_KEY = "pk-Xw7qLm2Zt9Rb4Vn8Kc3Hs6Jd"
SYSTEM_PROMPT = (
    "You are the assistant of a bank. Answer only from the fenced passages and cite each of them by its number. "
    "When nothing fits say exactly that the documents you may see do not tell."
)
RULES = OutputRules(
    canary=CANARY,
    secrets=(PROVIDER_KEY,),
    system_prompt=SYSTEM_PROMPT,
    allowed_hosts=("portal.example.kz", "*.gov.example"),
    tenant_key=b"a key of the tenant",
)
CARD = "4111111111111111"
IBAN = "KZ86125KZT5004100100"


def make_iin(seed: int = 1) -> str:
    """An IIN of nobody: a valid date, a valid control digit."""
    rng = random.Random(seed)
    while True:
        body = f"{rng.randrange(100):02}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}{rng.randrange(1, 7)}{rng.randrange(10**4):04}"
        for control in "0123456789":
            if checksums.iin(body + control):
                return body + control


IIN = make_iin()
