"""National identity, tax and health numbers, told by their checksums (python-stdnum).

A number of plain digits passes a checksum of one digit in one of ten or eleven cases, so those count only beside a word
that says what they are; numbers with a form of their own count by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stdnum.be import nn as be_nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ch_ssn
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn

from whet.doctor.privacy.redactions import Redaction

BEFORE = 40
"""Characters in front of a number in which the word is looked for that says what it is."""


Valid = Callable[[str], bool]
FORMS: tuple[tuple[str, Valid], ...] = (
    (r"\d{3}-\d{2}-\d{4}", ssn.is_valid),
    (r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", codicefiscale.is_valid),
    (r"\d{8}-?[A-Z]", dni.is_valid),
    (r"[XYZ]-?\d{7}-?[A-Z]", nie.is_valid),
    (r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", nir.is_valid),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", cpf.is_valid),
    (r"756\.\d{4}\.\d{4}\.\d{2}", ch_ssn.is_valid),
    (r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]", hetu.is_valid),
    (r"(?:19|20)?\d{6}[-+]\d{4}", personnummer.is_valid),
    (r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", be_nn.is_valid),
)
"""Numbers that count by themselves."""
NAMED: tuple[tuple[str, str, Valid], ...] = (
    ("ssn|social security(?: number| no)?", r"\d{9}", ssn.is_valid),
    ("steuer-?id(?:nr)?|idnr|tin|steueridentifikationsnummer|tax id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid),
    ("bsn|burgerservicenummer", r"\d{9}", bsn.is_valid),
    ("pesel", r"\d{11}", pesel.is_valid),
    ("nhs(?: number| no)?", r"\d{3}[ -]?\d{3}[ -]?\d{4}", nhs.is_valid),
    ("aadhaar|aadhar|uidai", r"\d{4} ?\d{4} ?\d{4}", aadhaar.is_valid),
    ("sin|social insurance(?: number)?", r"\d{3}[ -]?\d{3}[ -]?\d{3}", sin.is_valid),
)
"""Words, and the number that counts beside one of them."""


def _apart(form: str) -> str:
    return rf"(?<![\w.-])(?:{form})(?![\w-]|\.\d)"


FORMED = re.compile(
    r"(?=[\dXYZ]|[A-Z]{6}\d)"  # how each of them begins: most places of a text are passed over at once
    + _apart("|".join(f"(?P<form{number}>{form})" for number, (form, _) in enumerate(FORMS)))
)
WORDS = re.compile(rf"\b(?:{'|'.join(words for words, _, _ in NAMED)})\b", re.IGNORECASE)
BESIDE = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), re.compile(_apart(form)), valid) for words, form, valid in NAMED
)


def formed_ids(text: str) -> Iterator[Redaction]:
    """Every valid number with a form of its own."""
    for match in FORMED.finditer(text):
        if FORMS[int((match.lastgroup or "").removeprefix("form"))][1](match[0]):
            yield Redaction(*match.span(), "ID")


def named_ids(text: str) -> Iterator[Redaction]:
    """Every valid number beside its name."""
    for word, form, valid in BESIDE if WORDS.search(text) else ():
        for match in form.finditer(text):
            if word.search(text, max(0, match.start() - BEFORE), match.start()) and valid(match[0]):
                yield Redaction(*match.span(), "ID")
