"""General English: sentences from a small grammar in many tenses, and plain everyday knowledge."""

from random import Random

from nano import words as w
from nano.words import between, capital, pick, with_article

# base, third person, past, participle, -ing
VERBS = [
    tuple(line.split("/"))
    for line in """see/sees/saw/seen/seeing;take/takes/took/taken/taking;buy/buys/bought/bought/buying
find/finds/found/found/finding;carry/carries/carried/carried/carrying;clean/cleans/cleaned/cleaned/cleaning
sell/sells/sold/sold/selling;paint/paints/painted/painted/painting;hide/hides/hid/hidden/hiding
bring/brings/brought/brought/bringing;watch/watches/watched/watched/watching;lose/loses/lost/lost/losing
break/breaks/broke/broken/breaking;repair/repairs/repaired/repaired/repairing;forget/forgets/forgot/forgotten/forgetting
draw/draws/drew/drawn/drawing;open/opens/opened/opened/opening;move/moves/moved/moved/moving
need/needs/needed/needed/needing;choose/chooses/chose/chosen/choosing;hold/holds/held/held/holding
throw/throws/threw/thrown/throwing;keep/keeps/kept/kept/keeping;borrow/borrows/borrowed/borrowed/borrowing
show/shows/showed/shown/showing;describe/describes/described/described/describing""".replace("\n", ";").split(";")
]
MOVES = [
    tuple(line.split("/"))
    for line in """go/goes/went/gone/going;walk/walks/walked/walked/walking
run/runs/ran/run/running;drive/drives/drove/driven/driving;come/comes/came/come/coming
travel/travels/travelled/travelled/travelling;return/returns/returned/returned/returning""".replace("\n", ";").split(
        ";"
    )
]
ADVERBS = """often never always sometimes slowly quickly carefully usually quietly suddenly finally gladly rarely
already again""".split()
WHEN = [
    "yesterday",
    "last week",
    "in the morning",
    "after lunch",
    "before dinner",
    "at night",
    "every day",
    "two years ago",
    "on {d}",
    "in {m}",
    "during the holidays",
    "at the weekend",
    "all day long",
    "for an hour",
    "until {d}",
]
WHERE = [
    "in the {p}",
    "near the {p}",
    "behind the {p}",
    "in front of the {p}",
    "at the {p}",
    "between the {p} and the {p2}",
    "on the way to the {p}",
    "outside the {p}",
    "not far from the {p}",
    "under a {tree}",
    "across the river",
]
WHY = [
    "because the {t} was {a}",
    "although it was {a}",
    "so that {x} could rest",
    "while {x} was reading",
    "if the weather is good",
    "before the {t} begins",
    "after {x} had left",
    "as soon as {x} comes",
    "since nobody else was there",
    "unless it rains",
]
KNOWLEDGE = [
    tuple(line.split("|"))
    for line in """A week has seven days.|How many days does a week have?|seven
A year has twelve months.|How many months does a year have?|twelve
A day has twenty-four hours.|How many hours does a day have?|twenty-four
An hour has sixty minutes.|How many minutes does an hour have?|sixty
Ice is frozen water.|What is ice made of?|water
The sun rises in the east.|Where does the sun rise?|in the east
The sun sets in the west.|Where does the sun set?|in the west
Bees make honey.|Which animals make honey?|bees
Cows give milk.|Which animals give milk?|cows
Hens lay eggs.|Which animals lay eggs?|hens
A spider has eight legs.|How many legs does a spider have?|eight
A dog has four legs.|How many legs does a dog have?|four
A bird has two wings.|How many wings does a bird have?|two
A triangle has three sides.|How many sides does a triangle have?|three
A square has four sides.|How many sides does a square have?|four
Snow is white.|What colour is snow?|white
Grass is green.|What colour is grass?|green
Coal is black.|What colour is coal?|black
Blood is red.|What colour is blood?|red
The sky is blue on a clear day.|What colour is the sky on a clear day?|blue
A baker makes bread.|Who makes bread?|a baker
A tailor makes clothes.|Who makes clothes?|a tailor
A pilot flies a plane.|Who flies a plane?|a pilot
A doctor helps people who are ill.|Who helps people who are ill?|a doctor
A farmer grows food.|Who grows food?|a farmer
A judge works in a court.|Where does a judge work?|in a court
A teacher works in a school.|Where does a teacher work?|in a school
Fish live in water.|Where do fish live?|in water
You see with your eyes.|What do you see with?|with your eyes
You hear with your ears.|What do you hear with?|with your ears
You cut paper with scissors.|What do you cut paper with?|with scissors
A clock shows the time.|What shows the time?|a clock
A thermometer shows the temperature.|What shows the temperature?|a thermometer
Wood comes from trees.|Where does wood come from?|from trees
Cheese is made of milk.|What is cheese made of?|milk
Bread is made of flour.|What is bread made of?|flour
Paper is made of wood.|What is paper made of?|wood
Winter is the coldest season.|Which season is the coldest?|winter
Summer is the warmest season.|Which season is the warmest?|summer
January is the first month.|Which month is the first?|January
December is the last month.|Which month is the last?|December
Water boils at one hundred degrees.|At how many degrees does water boil?|one hundred
Water freezes at zero degrees.|At how many degrees does water freeze?|zero
The opposite of north is south.|What is the opposite of north?|south
A dozen is twelve.|How many are a dozen?|twelve
The moon goes around the earth.|What goes around the earth?|the moon
The earth goes around the sun.|What does the earth go around?|the sun
A library lends books.|What does a library lend?|books
A lamp gives light.|What does a lamp give?|light
A stove gives heat.|What does a stove give?|heat""".split("\n")
]


def subject(rng: Random) -> tuple[str, bool]:
    """A subject and whether it is plural."""
    roll = rng.random()
    if roll < 0.35:
        return pick(rng, w.FIRST), False
    if roll < 0.5:
        return pick(rng, (("I", True), ("we", True), ("they", True), ("you", True)))
    if roll < 0.6:
        return f"{pick(rng, w.FIRST)} and {pick(rng, w.FIRST)}", True
    if roll < 0.8:
        return f"{pick(rng, ('the', 'my', 'our', 'an old', 'a young'))} {pick(rng, w.JOBS)}", False
    return f"the {pick(rng, w.ADJECTIVES)} {pick(rng, w.ANIMALS)}", False


def goal(rng: Random) -> str:
    noun = pick(rng, w.ITEMS if rng.random() < 0.6 else w.COMMON)
    if rng.random() < 0.4:
        noun = f"{pick(rng, w.ADJECTIVES)} {noun}"
    return (
        f"{pick(rng, ('the', 'the', 'my', 'his', 'her', 'their', 'this'))} {noun}"
        if rng.random() < 0.7
        else with_article(noun)
    )


def details(rng: Random, text: str) -> str:
    values = {
        "{d}": w.WEEKDAYS,
        "{m}": w.MONTHS,
        "{p}": w.PLACES,
        "{p2}": w.PLACES,
        "{t}": w.COMMON,
        "{a}": w.ADJECTIVES,
        "{x}": w.FIRST,
        "{tree}": ("tree", "bridge", "roof", "cloud"),
    }
    for mark, options in values.items():
        if mark in text:
            text = text.replace(mark, pick(rng, options))
    return text


def predicate(rng: Random, verb: tuple[str, ...], plural: bool, who: str) -> str:
    """The verb in one of ten tenses and moods."""
    base, third, past, participle, doing = verb
    be, was = ("am", "was") if who == "I" else ("are", "were") if plural else ("is", "was")
    have, do = ("have", "do") if plural else ("has", "does")
    adverb = f"{pick(rng, ADVERBS)} " if rng.random() < 0.25 else ""
    return pick(
        rng,
        (
            f"{adverb}{past}",
            f"{adverb}{past}",
            f"{adverb}{base if plural else third}",
            f"will {adverb}{base}",
            f"{be} {doing}",
            f"{was} {doing}",
            f"{have} {adverb}{participle}",
            f"had {participle}",
            f"did not {base}",
            f"{do} not {base}",
            f"can {base}",
            f"must {base}",
            f"would like to {base}",
            f"should not {base}",
        ),
    )


def sentence(rng: Random) -> str:
    who, plural = subject(rng)
    moving = rng.random() < 0.25
    verb = pick(rng, MOVES if moving else VERBS)
    what = f"to the {pick(rng, w.PLACES)}" if moving else goal(rng)
    extras = "".join(
        [
            f" {details(rng, pick(rng, options))}"
            for options, chance in ((WHERE, 0.3), (WHEN, 0.3), (WHY, 0.2))
            if rng.random() < chance
        ]
    )
    if rng.random() < 0.1:
        return f"{pick(rng, ('Did', 'Will', 'Can', 'Why did', 'When did', 'How did'))} {who} {verb[0]} {what}{extras}?"
    return capital(f"{who} {predicate(rng, verb, plural, who)} {what}{extras}.")


def prose(rng: Random, level: int) -> str:
    count = between(rng, *((2, 3), (3, 6), (6, 18))[level])
    return " ".join([pick(rng, KNOWLEDGE)[0] if rng.random() < 0.15 else sentence(rng) for _ in range(count)])


def common_knowledge(rng: Random) -> tuple[str, str]:
    _, question, answer = pick(rng, KNOWLEDGE)
    return question, answer
