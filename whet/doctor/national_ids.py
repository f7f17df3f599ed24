"""National identity, tax and health numbers, told by their checksums (python-stdnum).

A number of plain digits passes a checksum of one digit in one of ten or eleven cases, so those count only beside a word
that says what they are; numbers with a form of their own count by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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

from whet.doctor.spans import Span

BEFORE = 40
"""Characters in front of a number in which the word is looked for that says what it is."""


@dataclass(frozen=True, slots=True)
class Id:
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    word: re.Pattern[str] | None = None
    """What must stand in front of it; None where the form itself is enough."""


def _id(form: str, valid: Callable[[str], bool], words: str = "") -> Id:
    word = re.compile(rf"\b(?:{words})\b", re.IGNORECASE) if words else None
    return Id(re.compile(rf"(?<![\w.-]){form}(?![\w-]|\.\d)"), valid, word)


IDS = (
    _id(r"\d{3}-\d{2}-\d{4}", ssn.is_valid),
    _id(r"\d{9}", ssn.is_valid, "ssn|social security(?: number| no)?"),
    _id(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", codicefiscale.is_valid),
    _id(r"\d{8}-?[A-Z]", dni.is_valid),
    _id(r"[XYZ]-?\d{7}-?[A-Z]", nie.is_valid),
    _id(r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", nir.is_valid),
    _id(r"\d{3}\.\d{3}\.\d{3}-\d{2}", cpf.is_valid),
    _id(r"756\.\d{4}\.\d{4}\.\d{2}", ch_ssn.is_valid),
    _id(r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]", hetu.is_valid),
    _id(r"(?:19|20)?\d{6}[-+]\d{4}", personnummer.is_valid),
    _id(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", be_nn.is_valid),
    _id(r"\d{2} ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid, "steuer-?id(?:nr)?|idnr|tin|steueridentifikationsnummer|tax id"),
    _id(r"\d{9}", bsn.is_valid, "bsn|burgerservicenummer"),
    _id(r"\d{11}", pesel.is_valid, "pesel"),
    _id(r"\d{3}[ -]?\d{3}[ -]?\d{4}", nhs.is_valid, "nhs(?: number| no)?"),
    _id(r"\d{4} ?\d{4} ?\d{4}", aadhaar.is_valid, "aadhaar|aadhar|uidai"),
    _id(r"\d{3}[ -]?\d{3}[ -]?\d{3}", sin.is_valid, "sin|social insurance(?: number)?"),
)
ENOUGH = re.compile(r"\d.?\d.?\d.?\d.?\d")
"""Stands in every number of the table."""


def national_ids(text: str) -> Iterator[Span]:
    """Every valid number with a form of its own, or beside its name."""
    for known in IDS:
        if known.word is not None and not known.word.search(text):
            continue
        for match in known.pattern.finditer(text):
            near = known.word is None or known.word.search(text, max(0, match.start() - BEFORE), match.start())
            if near and known.valid(match[0]):
                yield Span(*match.span(), "ID")
