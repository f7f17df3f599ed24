"""What messages can hold: fields with their wordings, labels with their cues, and distracting sentences.

Clauses are lower-case and without a full stop, so that messages can join and capitalise them freely.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from nano import words as w
from nano.words import between, pick


class Field(NamedTuple):
    family: str  # distractors of the same family are left out when this field is asked for
    keys: tuple[str, ...]
    hint: str
    make: Callable[[Random], str]
    clauses: tuple[str, ...]


def small_count(rng: Random) -> str:
    return str(between(rng, 2, 12))


def reference(rng: Random) -> str:
    """Mostly plain numbers, since those are the easiest to confuse with other numbers."""
    return w.number(rng) if rng.random() < 0.65 else w.mixed_code(rng)


def room_number(rng: Random) -> str:
    return w.digits(rng, 3)


NUMBER_MAKERS = (w.number, room_number)  # what may be written without quotes

NAME = Field(
    "name",
    ("name", "sender", "person", "full_name", "from", "writer", "guest", "visitor", "contact"),
    "the name of the sender",
    w.person,
    (
        "this is {v}",
        "my name is {v}",
        "I am {v}",
        "{v} here",
        "it's {v} writing",
        "{v} is my name",
        "you may know me, {v}",
        "I'm {v}",
    ),
)
CITY = Field(
    "city",
    ("city", "town", "place", "location", "home"),
    "the town of the sender",
    w.city,
    (
        "I live in {v}",
        "I am writing from {v}",
        "we are in {v}",
        "my home is {v}",
        "I come from {v}",
        "greetings from {v}",
        "I moved to {v} last year",
    ),
)
PHONE = Field(
    "phone",
    ("phone", "telephone", "phone_number", "mobile"),
    "the phone number",
    w.phone,
    ("call me on {v}", "my phone is {v}", "you can reach me at {v}", "ring {v}", "my number at home is {v}"),
)
MAIL = Field(
    "mail",
    ("email", "mail", "email_address"),
    "the e-mail address",
    w.mail_address,
    ("write to {v}", "my email is {v}", "please answer to {v}", "my address is {v}", "send it to {v}"),
)
DAY = Field(
    "day",
    ("day", "weekday", "visit_day", "when"),
    "the weekday",
    lambda rng: pick(rng, w.WEEKDAYS),
    (
        "{v} would be best",
        "can we say {v}",
        "I am free on {v}",
        "please come on {v}",
        "it should be {v}",
        "I'll come by on {v}",
    ),
)
DATE = Field(
    "date",
    ("date", "due", "start", "on"),
    "the date",
    w.date,
    (
        "the date is {v}",
        "it is planned for {v}",
        "it starts on {v}",
        "it has to be done by {v}",
        "we think of {v}",
        "I wrote down {v}",
    ),
)
TIME = Field(
    "time",
    ("time", "hour", "at"),
    "the time",
    w.clock_time,
    ("at {v} if possible", "I will be there at {v}", "the time is {v}", "it begins at {v}", "around {v} is fine"),
)
PRICE = Field(
    "price",
    ("price", "cost", "amount", "paid", "total"),
    "the price",
    w.price,
    ("it cost {v}", "I paid {v}", "the price was {v}", "they asked for {v}", "that makes {v}", "the bill says {v}"),
)
THING = Field(
    "thing",
    ("item", "object", "article", "thing", "device"),
    "the thing it is about",
    w.thing,
    (
        "it is about the {v}",
        "I mean the {v}",
        "I have a question about my {v}",
        "the {v} is what I am writing about",
        "about the {v}",
        "we got the {v}",
        "I have the {v}",
        "my {v} is the reason I write",
        "I bought the {v} last month",
        "it's the {v} again",
    ),
)
COLOUR = Field(
    "colour",
    ("colour", "color", "shade"),
    "the colour",
    lambda rng: pick(rng, w.COLOURS),
    ("the colour is {v}", "it is {v}", "I would like it in {v}", "mine is {v}", "it comes in {v}"),
)


def numbered(noun: str, keys: tuple[str, ...], make: Callable[[Random], str] = reference) -> Field:
    """A reference number with its noun, in all the ways people put it."""
    return Field(
        "ref",
        keys,
        f"the {noun}",
        make,
        (
            f"my {noun} is {{v}}",
            f"the {noun} is {{v}}",
            f"{noun} {{v}}",
            f"{noun}: {{v}}",
            f"it has the {noun} {{v}}",
            f"{{v}} is my {noun}",
            f"I was given {noun} {{v}}",
            f"please look at {noun} {{v}}",
            f"under {noun} {{v}}",
            f"the {noun} should be {{v}}",
            f"{noun} no. {{v}}",
            f"you will find it as {noun} {{v}}",
            f"{noun} #{{v}}",
            f"({noun} {{v}})",
        ),
    )


def counted(family: str, keys: tuple[str, ...], noun: str, make: Callable[[Random], str] = small_count) -> Field:
    return Field(
        family,
        keys,
        f"the number of {noun}",
        make,
        (
            f"it is for {{v}} {noun}",
            f"we need {{v}} {noun}",
            f"there are {{v}} {noun}",
            f"{{v}} {noun} in all",
            f"it will be {{v}} {noun}",
            f"please note {{v}} {noun}",
        ),
    )


def named(keys: tuple[str, ...], hint: str, make: Callable[[Random], str], *clauses: str) -> Field:
    return Field(keys[0], keys, hint, make, clauses)


BOOK = named(
    ("title", "book", "work"),
    "the title of the book",
    lambda rng: f"The {w.capital(pick(rng, w.ADJECTIVES))} {w.capital(pick(rng, w.COMMON))}",
    "the book is called {v}",
    "I am looking for {v}",
    "I have {v} at home",
    "the title is {v}",
    "it is about {v}",
    "I was reading {v}",
)
TEAM_A = named(
    ("home_team", "winner", "team", "club"),
    "the team",
    w.made_up,
    "{v} played at home",
    "we are from {v}",
    "my team is {v}",
    "I play for {v}",
)
DISH = named(
    ("dish", "meal", "recipe", "food"),
    "the dish",
    lambda rng: (
        f"{pick(rng, w.FOODS)} {pick(rng, ('soup', 'pie', 'salad', 'cake', 'stew', 'curry', 'bread', 'sauce'))}"
    ),
    "we cook {v}",
    "today it is {v}",
    "I made {v}",
    "the recipe is for {v}",
    "I would like {v}",
    "we had {v} for dinner",
)
SUBJECT = named(
    ("subject", "lesson", "class_name"),
    "the school subject",
    lambda rng: pick(rng, "maths history music biology art physics geography German French sport chemistry".split()),
    "it is about {v}",
    "in {v} we have a test",
    "the lesson is {v}",
    "my child likes {v}",
    "the {v} lesson is meant",
    "we did {v} today",
)
PET = named(
    ("animal", "pet", "patient"),
    "the animal",
    lambda rng: pick(rng, w.ANIMALS),
    "it is about our {v}",
    "my {v} is not well",
    "we have a {v}",
    "the {v} ran into the garden",
    "our {v} is called Buddy",
)
ROOM_PLACE = named(
    ("where", "spot", "place", "room"),
    "the place",
    lambda rng: pick(rng, w.PLACES),
    "it is in the {v}",
    "look in the {v}",
    "I left it in the {v}",
    "the {v} is the place",
    "you find it near the {v}",
)
TARGET = named(
    ("destination", "to", "going_to", "arrival"),
    "the destination",
    w.city,
    "I travel to {v}",
    "we want to go to {v}",
    "the trip goes to {v}",
    "to {v} please",
    "I must be in {v}",
)
RECEIVER = named(
    ("receiver", "recipient", "to", "for"),
    "who shall get it",
    w.person,
    "it goes to {v}",
    "it is meant for {v}",
    "please give it to {v}",
    "the receiver is {v}",
    "{v} is waiting for it",
)
# Sentences with numbers that must not be taken. The family says which field they could be confused with.
DISTRACTORS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("phone", lambda rng: f"call me on {w.phone(rng)}"),
    ("price", lambda rng: f"I paid {w.price(rng)}"),
    ("date", lambda rng: f"I wrote to you on {w.date(rng)}"),
    ("time", lambda rng: f"it was about {w.clock_time(rng)}"),
    ("none", lambda rng: f"I waited {between(rng, 2, 9)} weeks"),
    ("none", lambda rng: f"I have tried it {between(rng, 2, 6)} times"),
    ("none", lambda rng: f"my house is number {between(rng, 1, 99)}"),
    ("none", lambda rng: f"that is {between(rng, 2, 40)} kilometres from here"),
    ("years", lambda rng: f"I am {between(rng, 18, 80)} years old"),
    ("none", lambda rng: f"since {between(rng, 1990, 2023)} I have lived alone"),
    ("price", lambda rng: f"a friend would give {w.price(rng)} for it"),
    ("mail", lambda rng: f"my mail is {w.mail_address(rng)}"),
    ("name", lambda rng: f"my friend {w.first_name(rng)} says hello"),
    ("none", lambda rng: f"I read about it in chapter {between(rng, 2, 30)}"),
    ("phone", lambda rng: f"my fax is {w.phone(rng)}"),
    ("none", lambda rng: "I hope you are well"),
    ("none", lambda rng: "sorry for the long text"),
    ("none", lambda rng: "the coffee here is good"),
    ("none", lambda rng: "I have never written to you before"),
    ("none", lambda rng: "my wife told me to write"),
    ("none", lambda rng: "as I said before"),
    ("none", lambda rng: "we spoke about this once"),
    ("none", lambda rng: f"the {pick(rng, w.COMMON)} is another matter"),
    ("none", lambda rng: f"I like the {pick(rng, w.COMMON)} and the {pick(rng, w.COMMON)}"),
    ("none", lambda rng: f"it weighs {between(rng, 2, 60)} kilos"),
    ("none", lambda rng: f"page {between(rng, 2, 300)} says so"),
)
