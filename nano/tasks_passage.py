"""Reading: a random passage about invented people, things and events, then a question about it."""

from random import Random

from nano import words as w
from nano.words import Pair, between, capital, pick

# attribute: (maker, statements, questions); {s} is the subject of the passage.
PERSON = {
    "job": (
        lambda rng: pick(rng, w.JOBS),
        ("{s} works as a {v}", "{s} is a {v}", "{s} found work as a {v}"),
        ("What is the job of {s}?", "What does {s} work as?"),
    ),
    "town": (
        w.city,
        ("{s} lives in {v}", "{s} has a small flat in {v}", "{s} moved to {v}"),
        ("Where does {s} live?", "In which town does {s} live?"),
    ),
    "age": (
        lambda rng: str(between(rng, 6, 95)),
        ("{s} is {v} years old", "{s} turned {v} last week"),
        ("How old is {s}?", "What is the age of {s}?"),
    ),
    "pet": (
        lambda rng: pick(rng, w.ANIMALS),
        ("{s} has a {v}", "a {v} lives with {s}", "{s} owns a {v}"),
        ("What animal does {s} have?", "Which pet does {s} own?"),
    ),
    "food": (
        lambda rng: pick(rng, w.FOODS),
        ("{s} likes {v}", "for lunch {s} eats {v}", "{s} is fond of {v}"),
        ("What does {s} like to eat?", "Which food does {s} like?"),
    ),
    "day": (
        lambda rng: pick(rng, w.WEEKDAYS),
        ("{s} comes on {v}", "on {v} {s} will visit us", "{s} arrives on {v}"),
        ("On which day does {s} come?", "When does {s} arrive?"),
    ),
    "number": (
        w.number,
        ("the number of {s} is {v}", "{s} has the number {v}", "{s} wrote down the number {v}"),
        ("What is the number of {s}?", "Which number does {s} have?"),
    ),
    "friend": (
        w.first_name,
        ("{s} met a friend called {v}", "the best friend of {s} is {v}", "{s} travels with {v}"),
        ("What is the name of the friend of {s}?", "Who is the friend of {s}?"),
    ),
    "item": (
        w.thing,
        ("{s} bought the {v}", "{s} carries the {v}", "{s} repaired the {v}"),
        ("What did {s} get or use?", "Which thing is named with {s}?"),
    ),
}
THING = {
    "price": (
        w.price,
        ("the {s} costs {v}", "you pay {v} for the {s}", "the price of the {s} is {v}"),
        ("What does the {s} cost?", "What is the price of the {s}?"),
    ),
    "code": (
        w.code,
        ("the {s} has the code {v}", "the code of the {s} is {v}", "on the {s} you read {v}"),
        ("What is the code of the {s}?", "Which code does the {s} have?"),
    ),
    "colour": (
        lambda rng: pick(rng, w.COLOURS),
        ("the {s} is {v}", "the colour of the {s} is {v}"),
        ("What colour is the {s}?", "What is the colour of the {s}?"),
    ),
    "maker": (
        w.made_up,
        ("the {s} is made by {v}", "{v} builds the {s}", "the maker of the {s} is {v}"),
        ("Who makes the {s}?", "Which company makes the {s}?"),
    ),
    "place": (
        lambda rng: pick(rng, w.PLACES),
        ("the {s} stands in the {v}", "you find the {s} in the {v}"),
        ("Where is the {s}?", "In which place do you find the {s}?"),
    ),
    "weight": (
        lambda rng: f"{between(rng, 2, 90)} kilos",
        ("the {s} weighs {v}", "the weight of the {s} is {v}"),
        ("How heavy is the {s}?", "What is the weight of the {s}?"),
    ),
    "owner": (
        w.person,
        ("the {s} belongs to {v}", "{v} owns the {s}"),
        ("Who owns the {s}?", "To whom does the {s} belong?"),
    ),
}
EVENT = {
    "place": (
        w.city,
        ("the {s} takes place in {v}", "the {s} is held in {v}"),
        ("Where is the {s}?", "In which town is the {s}?"),
    ),
    "time": (
        w.clock_time,
        ("the {s} starts at {v}", "at {v} the {s} begins"),
        ("At what time does the {s} start?", "When does the {s} begin?"),
    ),
    "date": (
        w.date,
        ("the {s} is on {v}", "the date of the {s} is {v}"),
        ("On which date is the {s}?", "What is the date of the {s}?"),
    ),
    "host": (
        w.full_name,
        ("{v} leads the {s}", "the {s} is opened by {v}"),
        ("Who leads the {s}?", "Who opens the {s}?"),
    ),
    "guests": (
        lambda rng: w.digits(rng, between(rng, 2, 4)),
        ("{v} guests come to the {s}", "the {s} has {v} visitors"),
        ("How many people come to the {s}?", "How many visitors does the {s} have?"),
    ),
}
EVENTS = "concert market wedding race meeting lecture festival play dinner party auction exam tour match".split()
FILLERS = [
    "It is a quiet story.",
    "Nobody was surprised.",
    "The sun was shining that day.",
    "Later it began to rain.",
    "People talk about it often.",
    "The rest is not so important.",
    "There was much to do.",
    "Everyone was in good mood.",
    "It had been a long week.",
    "The streets were empty.",
    "Some neighbours watched from the window.",
    "That is how it was.",
]
ASK_FORMS = [
    "{p}\n\n{q}",
    "{p}\n{q}",
    "Read the text and answer.\n{p}\n{q}",
    "Text: {p}\nQuestion: {q}",
    "{q}\n\n{p}",
    "Passage:\n{p}\n\nAnswer the question: {q}",
    "Use the text to answer.\n\n{p}\n\n{q}",
]


def subject_of(rng: Random, kind: str) -> str:
    if kind == "person":
        return w.person(rng)
    return (
        w.thing(rng)
        if kind == "thing"
        else f"{pick(rng, (w.made_up(rng), pick(rng, w.ADJECTIVES)))} {pick(rng, EVENTS)}"
    )


TABLES = {"person": PERSON, "thing": THING, "event": EVENT}


def passage(rng: Random, level: int) -> tuple[str, list[tuple[str, str, str, str]]]:
    """The text and its facts as (kind, subject, attribute, value)."""
    facts: list[tuple[str, str, str, str]] = []
    sentences: list[str] = []
    subjects: set[str] = set()
    for _ in range((1, between(rng, 1, 2), between(rng, 2, 4))[level]):
        kind = pick(rng, ("person", "person", "thing", "event"))
        subject = subject_of(rng, kind)
        if subject.split()[0] in subjects:  # also no second Lucas with another surname
            continue
        subjects.add(subject.split()[0])
        table = TABLES[kind]
        for attribute in w.some(rng, list(table), between(rng, 1 + (level > 0), 2 + level)):
            maker, statements, _ = table[attribute]
            value = maker(rng)
            facts.append((kind, subject, attribute, value))
            sentences.append(stated(pick(rng, statements), subject, value) + ".")
        if level > 0 and rng.random() < 0.4:
            sentences.append(pick(rng, FILLERS))
    if rng.random() < 0.3:
        rng.shuffle(sentences)
    return " ".join(sentences), facts


def stated(template: str, subject: str, value: str) -> str:
    sentence = template.replace("a {v}", w.with_article(value)) if value.islower() else template
    return capital(sentence.replace("{s}", subject).replace("{v}", value))


def question_for(rng: Random, fact: tuple[str, str, str, str]) -> str:
    kind, subject, attribute, _ = fact
    return pick(rng, TABLES[kind][attribute][2]).replace("{s}", subject)


def posed(rng: Random, text: str, question: str) -> str:
    return pick(rng, ASK_FORMS).replace("{p}", text).replace("{q}", question)


def passage_pair(rng: Random, level: int) -> Pair:
    text, facts = passage(rng, level)
    fact = pick(rng, facts)
    roll = rng.random()
    if roll < 0.1:
        return absent(rng, text, facts)
    if roll < 0.2:
        return yes_no(rng, text, fact)
    if roll < 0.28:
        kind, subject, attribute, value = fact
        sentence = stated(TABLES[kind][attribute][1][0], subject, value) + "."
        return posed(
            rng, text, question_for(rng, fact) + pick(rng, (" Answer in a full sentence.", " Use a whole sentence."))
        ), sentence
    return posed(rng, text, question_for(rng, fact)), fact[3]


def absent(rng: Random, text: str, facts: list[tuple[str, str, str, str]]) -> Pair:
    kind, subject, _, _ = pick(rng, facts)
    known = {attribute for _, other, attribute, _ in facts if other == subject}
    missing = pick(rng, [attribute for attribute in TABLES[kind] if attribute not in known] or ["price"])
    if missing in known or missing not in TABLES[kind]:
        return posed(rng, text, question_for(rng, facts[0])), facts[0][3]
    return posed(rng, text, question_for(rng, (kind, subject, missing, ""))), "not stated"


def yes_no(rng: Random, text: str, fact: tuple[str, str, str, str]) -> Pair:
    kind, subject, attribute, value = fact
    maker, statements, _ = TABLES[kind][attribute]
    claimed = value if rng.random() < 0.5 else maker(rng)
    claim = stated(pick(rng, statements), subject, claimed)
    ask = pick(rng, ("True or false? {c}.", "Is this true or false: {c}.", "{c}. True or false?")).replace("{c}", claim)
    return posed(rng, text, ask), "true" if claimed == value else "false"


def passage_series(rng: Random, level: int) -> list[Pair]:
    """The passage once, then several questions on it."""
    text, facts = passage(rng, level)
    asked = w.some(rng, facts, min(len(facts), 2 + level))
    return [
        (f"{text}\n\n{question_for(rng, fact)}" if turn == 0 else question_for(rng, fact), fact[3])
        for turn, fact in enumerate(asked)
    ]


def passage_text(rng: Random, level: int) -> str:
    text, facts = passage(rng, level)
    asked = w.some(rng, facts, min(len(facts), 1 + level))
    return text + "".join([f"\nQ: {question_for(rng, fact)}\nA: {fact[3]}" for fact in asked])
