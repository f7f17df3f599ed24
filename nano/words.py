"""Random names, codes, numbers and things: the raw material of every task.

Fixed-world names live in world_facts.py and never occur here, so that random
documents cannot contradict the facts the model should remember.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")
Pair = tuple[str, str]  # what the user says and what the assistant answers

FIRST = """Anna Ben Carla David Ella Frank Grace Henry Isla Jack Kate Leo Maria Noah Olivia Paul
Rosa Sam Tina Victor Wendy Adam Beth Colin Diana Eric Fiona George Hannah Ivan Julia Karl Laura
Mark Nina Oscar Petra Ralf Sara Tom Uma Vera Will Yusuf Zoe Amir Bruno Clara Dora Emil Farah Gina
Hugo Ines Jonas Kira Lars Mona Nils Otto Priya Rita Stefan Tara Umar Wanda Yara Alex Chris Kim
Robin Jamie Lucas Emma Peter Lisa Ahmed Fatima Chen Mei Juan Lucia Pedro Ingrid Marta Simon Daniel""".split()
LAST = """Baker Carter Dixon Evans Fischer Green Harris Irving Jones King Lewis Miller Nolan Owens
Parker Quinn Reed Smith Taylor Underwood Vance Walker Young Becker Clarke Diaz Ellis Ford Gray Hill
Jensen Khan Lopez Mason Novak Olsen Patel Ross Schmidt Torres Weber Wood Ali Brown Costa Dunn Ferrari
Garcia Hansen Ito Keller Lang Meyer Nash Ortiz Price Rossi Singh Stone Turner Webb Adams Bell Cook""".split()
CITIES = """London Paris Berlin Madrid Rome Oslo Vienna Prague Lisbon Dublin Athens Warsaw Zurich Geneva
Hamburg Munich Milan Naples Lyon Porto Seville Ghent Bergen Turin Leeds York Bath Oxford Boston Denver
Austin Dallas Chicago Toronto Sydney Perth Tokyo Osaka Delhi Mumbai Cairo Lagos Nairobi Lima Quito""".split()
COLOURS = "red blue green yellow black white grey brown orange purple pink silver golden turquoise".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
ADJECTIVES = """old new small big heavy light soft hard warm cold clean dirty wooden metal plastic round
square flat long short cheap fancy simple strong quiet bright dark folding electric portable broken
spare large tiny sharp smooth thick thin dry wet green plain pretty strange famous local modern""".split()
ITEMS = """lamp kettle chair table clock radio camera bicycle backpack umbrella jacket coat scarf glove boot hat
mirror carpet pillow blanket bottle cup plate bowl knife spoon fork pan pot oven fridge toaster mixer
heater fan printer keyboard mouse monitor phone charger cable speaker drum guitar piano violin book
notebook pencil brush ladder hammer drill saw shovel basket bucket box bag suitcase wallet watch ring
necklace tent rope candle vase shelf desk sofa bed door window key lock bell helmet skateboard scooter
kite ball puzzle doll robot blender vacuum razor dryer iron filter sensor router tablet headset torch""".split()
ANIMALS = "dog cat horse cow sheep goat pig hen duck goose rabbit mouse fox wolf bear deer owl crow frog fish".split()
FOODS = """bread cheese soup rice pasta salad apple pear plum cherry banana carrot potato onion bean pea egg milk
butter honey jam cake pie tea coffee juice water fish chicken pizza tomato lemon grape melon nut""".split()
PLACES = """kitchen garden garage cellar attic office library station market harbour bridge park school museum church
bakery hotel hospital farm forest lake beach tower castle theatre cinema shop café barn""".split()
JOBS = """teacher doctor nurse farmer baker driver pilot singer painter writer lawyer plumber carpenter
cook waiter gardener librarian tailor fisherman mechanic electrician dentist clerk guard judge""".split()
COMMON = """time year people way day man thing woman life child world school state family group country
problem hand part place case week company system question work night point home water room mother area
money story fact month lot right study book eye job word business issue side kind head house service
friend father power hour game line end member law car city name team minute idea body back parent face
level office door health person art war history party result change morning reason research girl guy
moment air teacher force education foot boy age music market sense nation plan college interest death
course experience effect paper control field summer winter spring autumn
river hill road street letter number animal plant tree flower grass stone metal glass wood cloud rain snow
wind storm fire light shadow sound voice song dance dream hope fear joy anger peace truth secret gift price
cost sale visit trip journey holiday weekend meeting lesson test answer mistake chance choice rule list
map picture photo film page chapter title newspaper magazine message call email address corner middle
top bottom front edge circle square piece half pair dozen""".split()
NUMBER_WORDS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty""".split()
SYLLABLES = """ba be bo cal cor da del dor el en fa fen gal gor ha hel il in jo ka kel kor la lem lor ma
mel mir na nel nor o ol pa pel por qua ra rel rin ro sa sel sor ta tel tor tri u ul va vel vor wa wen xa
yel yor za zen zor trip lo ni mu pi bri sta cro plu gre dra fi sku ther nix dex lux zan vik""".split()
MODELS = "100 200 300 2 3 5 40 75 X Pro Mini Plus Max".split()
GREETINGS = [
    "Hi",
    "Hello",
    "Good morning",
    "Hey",
    "Dear all",
    "Good evening",
    "Hi there",
    "Hello again",
    "Dear team",
    "Hello everyone",
    "Good day",
    "Dear friends",
    "hi",
    "hello",
]
CLOSINGS = [
    "Thanks",
    "Thank you",
    "Best wishes",
    "Many thanks",
    "Kind regards",
    "Bye",
    "Cheers",
    "See you soon",
    "Thanks in advance",
    "Yours",
    "All the best",
    "Have a nice day",
]

CODE_SHAPES = [
    "A-####",
    "A#-####",
    "AA#####",
    "AAA-###",
    "#####",
    "######",
    "####",
    "#######",
    "########",
    "#-####-#",
    "##-A-##",
    "A####",
    "AA-##",
    "A##A##",
    "##/###",
    "AAA###",
    "a###",
    "aa-####",
    "###",
    "###-###",
    "A.###",
    "##AA",
    "AAAA-####",
    "A#A#A#",
    "####-##",
    "AA###AA",
    "a#a#a#",
]
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()


def pick(rng: Random, options: Sequence[T]) -> T:
    """Like rng.choice, but three times as fast; the corpus makes millions of calls."""
    return options[int(rng.random() * len(options))]


def some(rng: Random, options: Sequence[T], count: int) -> list[T]:
    """`count` different members in random order."""
    return rng.sample(options, count)


def between(rng: Random, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))


def digits(rng: Random, length: int) -> str:
    low = 10 ** (length - 1)
    return str(low + int(rng.random() * 9 * low))


def number(rng: Random) -> str:
    """A number of 3 to 8 digits, the lengths that real references have."""
    return digits(rng, pick(rng, (3, 4, 4, 5, 5, 5, 6, 6, 7, 8)))


def shaped(rng: Random, shape: str) -> str:
    random = rng.random
    return "".join(
        [
            str(int(random() * 10))
            if mark == "#"
            else UPPER[int(random() * 26)]
            if mark == "A"
            else LOWER[int(random() * 26)]
            if mark == "a"
            else mark
            for mark in shape
        ]
    )


def code(rng: Random) -> str:
    made = shaped(rng, pick(rng, CODE_SHAPES))
    return "#" + made if rng.random() < 0.1 else made


def mixed_code(rng: Random) -> str:
    """A code with at least one letter, so that it is never mistaken for a number."""
    return shaped(rng, pick(rng, ("A-####", "AA#####", "AAA-###", "A####", "A##A##", "AA-###", "A#-####")))


def gibberish(rng: Random) -> str:
    random = rng.random
    return "".join([LOWER[int(random() * 26)] for _ in range(3 + int(random() * 5))])


def made_up(rng: Random) -> str:
    """An invented name such as Zentrip or Velor."""
    count = 2 if rng.random() < 0.6 else 3
    return "".join([pick(rng, SYLLABLES) for _ in range(count)]).capitalize()


def first_name(rng: Random) -> str:
    return pick(rng, FIRST) if rng.random() < 0.75 else made_up(rng)


def last_name(rng: Random) -> str:
    return pick(rng, LAST) if rng.random() < 0.7 else made_up(rng)


def full_name(rng: Random) -> str:
    return f"{first_name(rng)} {last_name(rng)}"


def person(rng: Random) -> str:
    return full_name(rng) if rng.random() < 0.55 else first_name(rng)


def city(rng: Random) -> str:
    return pick(rng, CITIES) if rng.random() < 0.6 else made_up(rng)


def thing(rng: Random) -> str:
    """A common thing or an invented product name of one to three words."""
    roll = rng.random()
    item = pick(rng, ITEMS)
    if roll < 0.2:
        return item
    if roll < 0.4:
        return f"{pick(rng, COLOURS)} {item}"
    if roll < 0.5:
        return f"{pick(rng, ADJECTIVES)} {item}"
    if roll < 0.75:
        return f"{made_up(rng)} {item}"
    if roll < 0.85:
        return f"{made_up(rng)} {item} {pick(rng, MODELS)}"
    if roll < 0.93:
        return f"{made_up(rng)} {made_up(rng)}"
    return made_up(rng)


def date(rng: Random) -> str:
    day, month = between(rng, 1, 28), pick(rng, MONTHS)
    return pick(rng, (f"{day} {month}", f"{month} {day}"))


def clock_time(rng: Random) -> str:
    return f"{between(rng, 6, 22)}:{pick(rng, ('00', '10', '15', '20', '30', '40', '45', '50'))}"


def price(rng: Random) -> str:
    amount = between(rng, 2, 400)
    return pick(rng, (f"{amount} euros", f"${amount}", f"{amount}.50", f"£{amount}", f"{amount}.99 euros"))


def phone(rng: Random) -> str:
    return (
        f"0{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}"
        if rng.random() < 0.5
        else f"0{digits(rng, 2)}-{digits(rng, 6)}"
    )


def mail_address(rng: Random) -> str:
    user = first_name(rng).lower()
    host = pick(rng, ("mail", "post", "home", "inbox", "web")) if rng.random() < 0.6 else made_up(rng).lower()
    middle = pick(rng, ("", ".", "_")) + pick(rng, LAST).lower() if rng.random() < 0.5 else digits(rng, 2)
    return f"{user}{middle}@{host}.{pick(rng, ('com', 'org', 'net', 'eu'))}"


def token(rng: Random) -> str:
    """Anything short that can be copied."""
    return pick(rng, TOKEN_MAKERS)(rng)


def common_word(rng: Random) -> str:
    return pick(rng, ALL_WORDS)


def word_row(rng: Random) -> str:
    """Three to seven everyday words in a row."""
    return " ".join([pick(rng, ALL_WORDS) for _ in range(between(rng, 3, 7))])


def and_list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def fill(template: str, **values: str) -> str:
    """Braces-safe formatting: values may themselves hold braces."""
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def with_article(noun: str) -> str:
    if noun[:1].isupper():
        return f"the {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def fix_articles(text: str) -> str:
    """ "a owl" becomes "an owl"."""
    return WRONG_ARTICLE.sub(r"\1n ", text)


def typo(rng: Random, text: str) -> str:
    """One slip in a purely alphabetic lower-case word; names and codes stay as they are."""
    words = text.split(" ")
    spot = int(rng.random() * len(words))
    word = words[spot]
    if len(word) > 3 and word.isalpha() and word.islower():
        at = 1 + int(rng.random() * (len(word) - 2))
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[spot] = pick(rng, (swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]))
    return " ".join(words)


WRONG_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")
ALL_WORDS = sorted(set(COMMON + ITEMS + ANIMALS + FOODS + PLACES + JOBS + ADJECTIVES + COLOURS))
TOKEN_MAKERS = (code, code, number, made_up, gibberish, common_word, common_word, first_name, thing, full_name, city)
