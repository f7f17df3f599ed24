"""Personal data in a text: where it is, and what it is.

Every kind is told by a validator of its own: forms alone would take order numbers for telephones and versions for
addresses. Cheap looks come first, because most texts hold none of it; they begin with a set of characters, for which
Python's regular expressions pass over all other characters at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import phonenumbers
from stdnum import iban, luhn

from whet.doctor.privacy.national_ids import formed_ids, named_ids
from whet.doctor.privacy.redactions import Redaction, without_overlap

EMAIL = re.compile(r"(?<![\w.+/@-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b(?!@)")
FILES = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|py|js|ts|css|html?|md|txt|json|ya?ml)\Z", re.IGNORECASE)
EIGHT = re.compile(r"\d(?:[ ().\-/]{0,3}\d){7}")
"""Stands in every telephone number."""
NINE = re.compile(r"\d(?:[ ().\-/]{0,3}\d){8}")
"""Stands in every card, telephone number without a country code and identity number, but for those of LETTERED. A date
has eight digits."""
LETTERED = (
    re.compile(r"[A-Z](?<=\b.)(?:[A-Z]\d\d ?[A-Z0-9]{4}|[A-Z]{5}\d\d[A-Z]|(?<=[XYZ])-?\d{7})"),
    re.compile(r"\d(?:\d{5}[-+A]\d{3}|\d{7}-?[A-Z]|[AB] ?\d{3} ?\d{3} ?\d\d)"),
)
"""One of these is in every account and identity number that has letters or signs among its digits."""
ABROAD = re.compile(r"(?<![\w+.,=/#-])(?:\+|00(?=[1-9]))[1-9](?:[ ().\-/]{0,3}\d){6,14}(?![\w]|[.,]\d)")
AMERICAN = re.compile(
    r"(?<![\w+.,=/#-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d([-.]))[2-9]\d\d(?(1)\1|-)\d{4}(?![\w-]|[.,]\d)"
)
CALLED = re.compile(
    r"\b(?:tel|phone|telephone|call|mobile|cell|fax|whatsapp|sms|telefon|handy|mobil|t[ée]l[ée]phone|tel[ée]fono|"
    r"m[óo]vil|reach|ring|text)\b(?:[ \t:.()/-]|\b(?:me|us|them|him|her|at|on|is|number|nr|no|under|unter|our|my|"
    r"his)\b){1,9}"
    r"(?P<number>\(?\d(?:[ ().\-/]{0,3}\d){8,13})(?![\w]|[.,-]\d)",
    re.IGNORECASE,
)
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "BR", "CH", "AT")
"""Whose numbers are tried where there is no country code, but a word says that it is a telephone."""
CARD = re.compile(r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)")
ISSUERS = re.compile(
    r"4(?:\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[68]\d)\d{11}|(?:6011|65\d\d|64[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}"
)
"""Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay: first digits and length (ISO/IEC 7812)."""
OTHER_NUMBER = re.compile(
    r"\b(?:order|invoice|tracking|parcel|ticket|article|serial|reference|ref|sku|ean|isbn|imei)\b[\s:#]*"
    r"(?:number|no|nr|id|code)?[.\s:#]*\Z",
    re.IGNORECASE,
)
"""One of ten numbers passes Luhn's sum: those that are called otherwise are no cards."""
IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?!\w)")
IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")
DOTTED = re.compile(r"\d\.\d{1,3}\.\d")
"""Stands in every IPv4 address."""
VERSION = re.compile(
    r"(?:\bv(?:er(?:s(?:ion)?)?)?\.?|version|release|build|firmware|section|chapter|clause|§)\s*\Z", re.IGNORECASE
)
ADDRESSED = re.compile(
    r"\b(?:ips?|ipv4|address|host|server|dns|gateway|ping|router|from|client|login)\b", re.IGNORECASE
)
SMALL = 20
"""Four numbers below this are a version, unless a word says that they are an address."""
MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])")


def personal_spans(text: str) -> list[Redaction]:
    """What is personal in the text, in its order."""
    return without_overlap(_found(text))


def _found(text: str) -> Iterator[Redaction]:
    """The surest kinds first: where two overlap, the first counts."""
    if "@" in text:
        yield from _emails(text)

    if text.count(":") >= 2 or text.count("-") >= 5:
        yield from _macs(text)
        yield from _ipv6(text)

    if DOTTED.search(text):
        yield from _ipv4(text)
    lettered, long = any(look.search(text) for look in LETTERED), NINE.search(text)
    if lettered:
        yield from (Redaction(*m.span(), "IBAN") for m in IBAN.finditer(text) if iban.is_valid(m[0]))

    if lettered or long:
        yield from formed_ids(text)

    if long:
        yield from named_ids(text)
        yield from _cards(text)

    if ("+" in text or "00" in text) and EIGHT.search(text):
        yield from _phones_abroad(text)
    if long:
        yield from _phones_at_home(text)


def _emails(text: str) -> Iterator[Redaction]:
    for match in EMAIL.finditer(text):
        begin = 1 + max(text.rfind(mark, 0, match.start()) for mark in " \n\t")
        login = "://" in text[begin : match.start()]  # what comes before the @ of a URL is no mailbox
        if not (login or FILES.search(match[0]) or match[0].startswith("git@")):
            yield Redaction(*match.span(), "EMAIL")


def _cards(text: str) -> Iterator[Redaction]:
    for match in CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if OTHER_NUMBER.search(text, max(0, match.start() - 30), match.start()):
            continue
        if ISSUERS.fullmatch(digits) and luhn.is_valid(digits) and len(set(digits)) > 1:
            yield Redaction(*match.span(), "CARD")


def _phones_abroad(text: str) -> Iterator[Redaction]:
    for match in ABROAD.finditer(text):
        if _is_valid_number("+" + match[0].removeprefix("00").removeprefix("+"), (None,)):
            yield Redaction(*match.span(), "PHONE")


def _phones_at_home(text: str) -> Iterator[Redaction]:
    for match in AMERICAN.finditer(text):
        if _is_valid_number(match[0], ("US",)):
            yield Redaction(*match.span(), "PHONE")
    for match in CALLED.finditer(text):
        if _is_valid_number(match["number"], REGIONS):
            yield Redaction(*match.span("number"), "PHONE")


def _is_valid_number(number: str, regions: tuple[str | None, ...]) -> bool:
    """Whether a telephone of one of the regions can have this number."""
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _ipv4(text: str) -> Iterator[Redaction]:
    for match in IPV4.finditer(text):
        try:
            address = ipaddress.IPv4Address(match[0])
        except ValueError:
            continue

        before = text[max(0, match.start() - 40) : match.start()]
        version = VERSION.search(before) or (max(address.packed) < SMALL and not ADDRESSED.search(before))
        if not version and _is_single_host(address):
            yield Redaction(*match.span(), "IP")


def _ipv6(text: str) -> Iterator[Redaction]:
    for match in IPV6.finditer(text):
        try:
            address = ipaddress.IPv6Address(match[0])
        except ValueError:
            continue
        if sum(map(bool, match[0].split(":"))) >= 3 and _is_single_host(address):
            yield Redaction(*match.span(), "IP")


def _is_single_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is the address of one machine: not the own one, not a group of them."""
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.packed[0] in (0, 255))


def _macs(text: str) -> Iterator[Redaction]:
    for match in MAC.finditer(text):
        if len(set(re.split("[:-]", match[0]))) > 2:  # all zeros, all ones and masks are nobody's
            yield Redaction(*match.span(), "MAC")
