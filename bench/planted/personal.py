"""Texts with personal data and secrets in known places, and texts that only look as if: the labelled set."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

from stdnum import luhn, verhoeff
from stdnum.iso7064 import mod_11_10, mod_97_10

from bench.planted.clean import NAMES, PLACES

CALLS = ("call", "phone:", "mobile", "my number, reach me on")
HEXADECIMAL = "0123456789abcdef"
LETTERS = string.ascii_letters + string.digits
SURNAMES = "Kern Lopez Okafor Nilsen Tanaka Weber Rossi Dubois Novak Murphy Haddad Singh".split()


def _digits(random: Random, count: int) -> str:
    return "".join(random.choices(string.digits, k=count))


def _token(random: Random, count: int, letters: str = LETTERS) -> str:
    return "".join(random.choices(letters, k=count))


def email(random: Random) -> str:
    first, last = random.choice(["anna", "tom", "priya", "li.wei", "j"]), random.choice(SURNAMES).lower()
    local = random.choice([f"{first}.{last}", f"{first}{_digits(random, 2)}", f"{last}_{first}", f"{first}+shop"])
    return f"{local}@{random.choice(['posteo.de', 'gmail.com', 'mail.acme.co.uk', 'uni-kiel.de', 'example.com'])}"


def phone(random: Random) -> str:
    american = f"{random.choice(['212', '415', '617', '303'])}{{}}{random.randint(220, 980)}{{}}{_digits(random, 4)}"
    forms = (
        lambda: f"+49 30 {random.randint(200000, 999999)}{_digits(random, 2)}",
        lambda: f"+44 20 7{_digits(random, 3)} {_digits(random, 4)}",
        lambda: f"+33 6 {random.randint(10, 79)} {_digits(random, 2)} {_digits(random, 2)} {_digits(random, 2)}",
        lambda: f"+1 {american.format('-', '-')}",
        lambda: american.format("-", "-"),
        lambda: f"({american[:3]}) {american[5:].format('-')}",
        lambda: f"0049171{random.randint(2000000, 9999999)}",
        lambda: f"{random.choice(CALLS)} 0171 {random.randint(2000000, 9999999)}",
    )
    return random.choice(forms)()


def card(random: Random) -> str:
    start, length = random.choice([("4", 16), ("52", 16), ("37", 15), ("6011", 16)])
    body = start + _digits(random, length - len(start) - 1)
    digits = body + luhn.calc_check_digit(body)
    mark = random.choice(["", " ", "-"])
    cuts = (4, 10, 15) if length == 15 else (4, 8, 12, 16)
    return mark.join(digits[a:b] for a, b in zip((0, *cuts), cuts, strict=False))


def account(random: Random) -> str:
    country, length = random.choice([("DE", 18), ("AT", 16), ("CH", 17)])
    body = _digits(random, length)
    number = f"{country}{mod_97_10.calc_check_digits(body + country)}{body}"
    return number if random.random() < 0.5 else " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def identity(random: Random) -> str:
    forms: tuple[Callable[[], str], ...] = (
        lambda: f"{random.choice(['536', '212', '401'])}-{random.randint(10, 99)}-{random.randint(1000, 9999)}",
        lambda: _dni(random),
        lambda: f"Aadhaar {_verhoeff(random)}",
        lambda: f"tax ID {_tax(random)}",
    )
    return random.choice(forms)()


def _dni(random: Random) -> str:
    digits = _digits(random, 8)
    return digits + "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23]


def _verhoeff(random: Random) -> str:
    body = f"{random.randint(2, 9)}{_digits(random, 10)}"
    number = body + verhoeff.calc_check_digit(body)
    return f"{number[:4]} {number[4:8]} {number[8:]}"


def _tax(random: Random) -> str:
    """Eleven digits, one of them twice among the first ten."""
    digits = random.sample("123456789", 9)
    digits.insert(random.randint(2, 9), digits[0])
    body = "".join(digits)
    return body + mod_11_10.calc_check_digit(body)


def address(random: Random) -> str:
    parts = [
        random.choice([82, 93, 145, 188, 192, 10, 172]),
        *(random.randint(0, 254) for _ in range(2)),
        random.randint(21, 254),
    ]
    sixth = ":".join(f"{random.randrange(16, 65536):x}" for _ in range(6))
    return random.choice([".".join(map(str, parts)), f"2a02:8108:{sixth}"])


def machine(random: Random) -> str:
    return random.choice(":-").join(f"{random.randrange(256):02x}" for _ in range(6))


PERSONAL: dict[str, Callable[[Random], str]] = {
    "EMAIL": email,
    "PHONE": phone,
    "CARD": card,
    "IBAN": account,
    "ID": identity,
    "IP": address,
    "MAC": machine,
}


def secret(random: Random) -> str:
    upper = string.ascii_uppercase + "234567"
    strong = f"{_token(random, 5)}{random.randint(10, 99)}{_token(random, 6)}"
    forms = (
        lambda: f"AKIA{_token(random, 16, upper)}",
        lambda: f"ghp_{_token(random, 36)}",
        lambda: f"glpat-{_token(random, 20)}",
        lambda: f"xoxb-{_digits(random, 11)}-{_token(random, 24)}",
        lambda: f"sk-{_token(random, 48)}",
        lambda: f"sk-proj-{_token(random, 60)}",
        lambda: f"hf_{_token(random, 34)}",
        lambda: f"AIza{_token(random, 35)}",
        lambda: f"sk_live_{_token(random, 24)}",
        lambda: f"-----BEGIN RSA PRIVATE KEY-----\n{_token(random, 64)}\n-----END RSA PRIVATE KEY-----",
        lambda: f"eyJ{_token(random, 20)}.eyJ{_token(random, 40)}.{_token(random, 43)}",
        lambda: f"postgres://admin:{strong}@db.acme.io:5432/main",
        lambda: f"password: {strong}",
        lambda: f'api_key = "{_token(random, 32, HEXADECIMAL)}"',
        lambda: f"Authorization: Bearer {_token(random, 40)}",
    )
    return random.choice(forms)()


def looks_personal(random: Random) -> str:
    """What a careless look would take for personal data or a secret."""
    four = ".".join(str(random.randint(0, 12)) for _ in range(4))
    forms = (
        lambda: f"the order number {_digits(random, 10)}",
        lambda: f"the order number {_digits(random, 16)}",
        lambda: f"a serial of 4{_digits(random, 15)}",
        lambda: f"the wish to call me about ticket {_digits(random, 10)}",
        lambda: f"invoice {_digits(random, 4)}-{_digits(random, 3)}-{_digits(random, 6)}",
        lambda: f"version {four} of the firmware",
        lambda: f"release {random.randint(10, 40)}.{random.randint(0, 9)}.{random.randint(0, 99)}",
        lambda: f"tracking number 00{_digits(random, 18)}",
        lambda: f"the article {_digits(random, 13)}",
        lambda: f"2026-0{random.randint(1, 9)}-1{random.randint(0, 9)} 1{_digits(random, 1)}:20:3{_digits(random, 1)}",
        lambda: f"a file of {random.randint(10**7, 10**10)} bytes",
        lambda: f"the coordinates 48.{_digits(random, 6)}, 11.{_digits(random, 6)}",
        lambda: f"the rating {random.randint(1, 5)}/5 @ {random.choice(PLACES)}",
        lambda: f"icon@{random.randint(2, 3)}x.png",
        lambda: f"std::{_token(random, 6, string.ascii_lowercase)}::begin",
        lambda: "the password is wrong every time",
        lambda: "your api key: <your-api-key-here>",
        lambda: f"commit {_token(random, 40, HEXADECIMAL)}",
        lambda: (
            f"id {_token(random, 8, HEXADECIMAL)}-{_token(random, 4, HEXADECIMAL)}-4{_token(random, 3, HEXADECIMAL)}"
        ),
        lambda: (
            f"the total of {random.randint(1, 9)},{_digits(random, 3)},{_digits(random, 3)}.{_digits(random, 2)} euros"
        ),
    )
    return random.choice(forms)()


SENTENCES = (
    "Hello, this is {name}, and {x} is what I have for you.",
    "Please note {x} for {name} in {place}.",
    "We have {x} on file, is that right?",
    "In the log of the machine I found {x}, what does it mean?",
    "{name} wrote from {place}: {x}.",
)


def sentence(random: Random, x: str) -> tuple[str, int]:
    """A sentence around it, and where it begins."""
    form = random.choice(SENTENCES).replace("{name}", random.choice(NAMES)).replace("{place}", random.choice(PLACES))
    return form.replace("{x}", x), form.index("{x}")
