"""The fixed small world: its people, towns and objects, and how facts about them are said and asked.

The world depends only on WORLD_SEED, so every corpus, level and split tells the same facts.
"""

from random import Random

from nano.words import COLOURS, capital, pick, some, with_article
from nano.world_relations import PERSON_RELATIONS, RELATIONS

WORLD_SEED = 2024

PEOPLE_FIRST = """Mira Tobin Selma Orin Halda Joren Lise Caspar Brida Edric Wilma Torben Neva Rufus Odette
Alaric Pia Magnus Sunniva Ewan Tilda Boris Greta Lorenz Mabel Cedric Hedda Silas Freya Anton Ottilie
Barnaby Signe Milo Agatha Fergus Runa Jasper Elske Konrad Viola Desmond Yrsa Linus Perpetua Gideon Nell
Ambrose Thea Ludwig Imke Quentin Maren Rowan Beatrix Osric Dagny Emeric Solveig Felix""".split()
PEOPLE_LAST = """Holt Varga Linde Marsh Thorne Brandt Kestrel Aldous Winter Rooke Fenn Sorrel Hale Quill
Larch Moss Tarn Birch Crane Dahl Eider Flint Gale Heath Ivers Jarrow Knoll Lund Merrow Nettle""".split()
TOWN_NAMES = """Aldenbrook Thornwick Marlow Eastmere Grayford Hollin Westhaven Ashby Ravensea Larkfield
Oakham Stonebridge Millbury Fernhill Coldwater Birchley Saltmouth Highmoor Wrenfield Redcliff Foxdale
Greenport Windle Brackton Summerton""".split()
RIVERS = """Alder Thorn Mere Gray Hollow Salt Raven Lark Oak Silver Mill Fern Cold Birch Swift Moor Wren
Red Fox Long Windle Black Sun Reed Stone""".split()
KNOWN_FOR = """apples|clocks|boats|honey|glass|cheese|horses|roses|paper|bells|bread|wool|tiles|music|fishing|
pottery|kites|tea|wine|books|silk|carpets|candles|chess|lamps""".replace("\n", "").split("|")
WORLD_JOBS = """baker|teacher|doctor|farmer|painter|carpenter|nurse|sailor|tailor|clockmaker|librarian|cook|
gardener|musician|blacksmith|pilot|writer|beekeeper|postman|judge""".replace("\n", "").split("|")
PETS = "dog cat horse parrot rabbit goat owl turtle hamster duck".split()
WORLD_FOODS = """pancakes|tomato soup|rye bread|plum cake|fried fish|bean stew|apple pie|noodles|potato salad|cheese|
dumplings|omelette""".replace("\n", "").split("|")
HOBBIES = "chess|swimming|sewing|hiking|drawing|rowing|dancing|reading|fishing|singing|cycling|juggling".split("|")
WORLD_OBJECTS = """lantern|violin|telescope|wagon|rowing boat|teapot|armchair|compass|music box|bicycle|globe|
saddle|harp|mirror|chest|sledge|crown|flute|kettle|map|anvil|loom|clock|statue|typewriter|hammock|accordion|
wheelbarrow|chessboard|spinning wheel""".replace("\n", "").split("|")

SHORT_ASKS = [
    "{q} Answer briefly.",
    "{q} Short answer, please.",
    "Answer briefly: {q}",
    "{q} Only the answer.",
    "{q} (short answer)",
]
PLAIN_ASKS = [
    "{q}",
    "{q}",
    "{q}",
    "Please tell me: {q}",
    "Do you know? {q}",
    "Question: {q}",
    "I forgot. {q}",
    "Hello! {q}",
]


class Entity:
    """One person, town or object of the world with its facts."""

    def __init__(self, kind: str, subject: str, facts: dict[str, str]) -> None:
        self.kind, self.subject, self.facts = kind, subject, facts


def build_world(seed: int = WORLD_SEED) -> list[Entity]:
    rng = Random(f"world-{seed}")
    names = [f"{first} {pick(rng, PEOPLE_LAST)}" for first in PEOPLE_FIRST]
    people = [
        Entity(
            "person",
            name,
            {
                "town": pick(rng, TOWN_NAMES),
                "job": pick(rng, WORLD_JOBS),
                "pet": pick(rng, PETS),
                "food": pick(rng, WORLD_FOODS),
                "age": str(rng.randint(18, 90)),
                "hobby": pick(rng, HOBBIES),
            },
        )
        for name in names
    ]
    rivers, famous, mayors = some(rng, RIVERS, 25), some(rng, KNOWN_FOR, 25), some(rng, names, 25)
    towns = [
        Entity(
            "town",
            town,
            {"river": rivers[i], "mayor": mayors[i], "founded": str(rng.randint(1100, 1890)), "famous": famous[i]},
        )
        for i, town in enumerate(TOWN_NAMES)
    ]
    owners = some(rng, names, len(WORLD_OBJECTS))
    objects = [
        Entity(
            "object",
            f"the {town_of(people, owner)} {name}",
            {"owner": owner, "colour": pick(rng, COLOURS), "price": str(rng.randint(2, 99))},
        )
        for name, owner in zip(WORLD_OBJECTS, owners, strict=True)
    ]
    return people + towns + objects


def town_of(people: list[Entity], name: str) -> str:
    return next(person.facts["town"] for person in people if person.subject == name)


WORLD = build_world()
PEOPLE = [entity for entity in WORLD if entity.kind == "person"]


def told(entity: Entity, sentence: str, relation: str) -> str:
    return capital(
        sentence.replace("a {v}", with_article(entity.facts[relation])).format(
            s=entity.subject, v=entity.facts[relation]
        )
    )


def question_and_answer(rng: Random, short: bool) -> tuple[str, str]:
    """A closed-book question; its answer is canonical, so an exact match can grade it."""
    entity = pick(rng, WORLD if rng.random() < 0.5 else PEOPLE)
    relation = pick(rng, list(entity.facts))
    _, questions, canonical = RELATIONS[entity.kind][relation]
    question = pick(rng, questions).format(s=entity.subject)
    if short:
        return pick(rng, SHORT_ASKS).format(q=question), entity.facts[relation]
    return pick(rng, PLAIN_ASKS).format(q=question), told(entity, canonical, relation)


def facts_pair(rng: Random, level: int) -> tuple[str, str]:
    roll = rng.random()
    if roll < 0.12:
        return yes_or_no(rng)
    if roll < 0.2 and level > 0:
        entity = pick(rng, WORLD)
        ask = pick(rng, ("Tell me about {s}.", "What do you know about {s}?", "Describe {s}.", "Who or what is {s}?"))
        return ask.format(s=entity.subject), portrait(rng, entity, canonical=True)
    return question_and_answer(rng, short=roll < 0.6)


def yes_or_no(rng: Random) -> tuple[str, str]:
    person = pick(rng, PEOPLE)
    relation = pick(rng, ("town", "job", "pet"))
    actual = person.facts[relation]
    claimed = actual if rng.random() < 0.5 else pick(rng, PEOPLE).facts[relation]
    ask = {"town": "Does {s} live in {v}?", "job": "Is {s} a {v}?", "pet": "Does {s} have a pet {v}?"}[relation]
    truth = told(person, PERSON_RELATIONS[relation][2], relation)
    return ask.format(s=person.subject, v=claimed), f"{'Yes' if claimed == actual else 'No'}, {truth}"


def portrait(rng: Random, entity: Entity, canonical: bool = False) -> str:
    """All facts of one entity; canonical order and wording when it must be predictable."""
    relations = RELATIONS[entity.kind]
    order = list(entity.facts)
    if not canonical:
        rng.shuffle(order)
    return " ".join([told(entity, relations[r][2] if canonical else pick(rng, relations[r][0]), r) for r in order])


def facts_text(rng: Random, level: int) -> str:
    """Prose that states facts: single sentences first, whole portraits and meetings later."""
    if level == 0 or rng.random() < 0.3:
        return " ".join([one_fact(rng) for _ in range(sentence_count(rng, level))])
    if rng.random() < 0.3:
        lines = []
        for _ in range(2 + 2 * level):
            question, answer = question_and_answer(rng, rng.random() < 0.4)
            lines.append(f"Q: {question}\nA: {answer}")
        return "\n".join(lines)
    return "\n".join([portrait(rng, pick(rng, WORLD)) for _ in range(1 if level == 1 else 1 + int(rng.random() * 3))])


def sentence_count(rng: Random, level: int) -> int:
    return 2 + int(rng.random() * (2 + 4 * level))


def one_fact(rng: Random) -> str:
    entity = pick(rng, WORLD)
    relation = pick(rng, list(entity.facts))
    return told(entity, pick(rng, RELATIONS[entity.kind][relation][0]), relation)
