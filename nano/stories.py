"""Plain English prose: small stories, descriptions and dialogues with a varied everyday vocabulary."""

from random import Random

from nano import words as w
from nano.grammar import prose
from nano.words import between, capital, fix_articles, pick, with_article

OPENINGS = [
    "One {time}, {n} went to the {p}.",
    "It was a {adj} {time} when {n} left the house.",
    "{n} was {mood} because it was {day}.",
    "Once there was {job_a} called {n}.",
    "{n} lived near the {p} with {animal_a}.",
    "Early in the {time}, {n} woke up and looked out of the window.",
    "There was a {adj} {p} at the end of the street, and {n} loved it.",
    "When {n} was young, the {p} was still {adj}.",
    "Have you heard about {n}, the {job}?",
    "In {month} the days were long, and {n} had much time.",
    "Nobody in the village knew {n} better than {m}.",
    "{n} had always wanted {item_a}.",
]
WANTS = [
    "{N} wanted to find {item_a}.",
    "{N} was looking for {item_a} as a gift for {m}.",
    "On the way {n} met {m}, who carried {item_a}.",
    "Suddenly {n} heard a sound behind the {p}.",
    '{m} asked, "Can you help me with the {item}?"',
    "{N} needed {item_a}, but the shop was closed.",
    "There, under a tree, lay {item_a}.",
    "A {adj} {animal} was sitting in front of the {p}.",
    '"We should go to the {p}," said {m}.',
    "They had promised to bring {food} and {food2} for dinner.",
    "{N} opened the {adj} box and found {item_a} in it.",
    "A letter from {m} was lying on the table.",
]
HAPPENINGS = [
    "But the {item} was broken.",
    "Then it began to {weather}.",
    "They walked slowly along the river and talked about the {thing}.",
    "The {animal} ran away as fast as it could.",
    "{m} laughed and shook {his} head.",
    '"That is not possible," said {n}.',
    "So they sat down and ate {food}.",
    "{N} took the {item} and put it into a bag.",
    "After an hour they were tired but {mood}.",
    '"Do you remember the {thing}?" asked {m}.',
    "The {job} at the door did not let them in.",
    "They tried again and again until it worked.",
    "{N} thought about the {thing} for a long time.",
    "It was so {adj} that nobody could see the {p}.",
    "Because the road was {adj}, they had to walk.",
    "If {m} had not been there, {n} would have gone home.",
    "{N} neither spoke nor moved.",
    "While {m} was cooking {food}, {n} cleaned the {item}.",
    "The children who played in the {p} were watching them.",
    "They could hear music from the {p}.",
    "Without a word, {m} gave {n} the {item}.",
    "Every time the {animal} came closer, {n} stepped back.",
    "There were {num} {items} on the shelf, but only one was {adj}.",
    "{m} bought {num} {items} and a bag of {food}.",
    "A {job} showed them the way to the {p}.",
    "The {thing} was more important than the {thing2}.",
    '"How much is the {item}?" {n} asked the {job}.',
    "It cost {num} coins, which was too much.",
    "They had never seen such a {adj} {item} before.",
]
ENDINGS = [
    "In the end, everyone was {mood}.",
    "That evening {n} wrote a letter to {m}.",
    "And so they became friends.",
    "Since then, {n} goes to the {p} every {day}.",
    "It had been a {adj} day, and {n} slept well.",
    '"Thank you," said {m}, and they went home.',
    "The {item} still stands in the {p} today.",
    "{N} never forgot that {time}.",
    "The next {day} they did it again.",
    "At last {n} found what {he} had been looking for.",
    "From that day on the {animal} stayed with {n}.",
]
MOODS = "happy sad tired hungry angry proud nervous calm worried cheerful surprised lonely glad curious thirsty".split()
WEATHER = "rain snow blow thunder".split()
TIMES = "morning evening afternoon night".split()
TALK_OPENERS = [
    ("Hello, {m}! How are you?", "Hello, {n}. I am {mood} today."),
    ("Good {time}, {m}.", "Good {time}, {n}. Nice to see you."),
    ("Hi {m}, where are you going?", "To the {p}, {n}. Do you want to come along?"),
    ("Excuse me, is this the way to the {p}?", "Yes, it is right behind the {p2}."),
]
TALK_LINES = [
    ("Have you seen my {item}?", "Yes, it is in the {p}."),
    ("What did you eat?", "I had {food} with {food2}."),
    ("When does the shop open?", "It opens on {day}."),
    ("Who gave you the {item}?", "It was a {job}."),
    ("Why are you {mood}?", "Because the {thing} is so {adj}."),
    ("How many {items} do you need?", "I need {num}."),
    ("Can I borrow your {item}?", "Of course, but bring it back on {day}."),
    ("What colour is your {item}?", "It is {colour}."),
    ("Did you hear about the {thing}?", "No, please tell me."),
    ("Shall we go to the {p}?", "I would rather stay at home."),
    ("Is the {animal} yours?", "No, it belongs to a {job}."),
    ("What do you want to be?", "I want to be a {job}."),
]
DESCRIPTIONS = [
    "The {p} is {adj}.",
    "There is {item_a} in the corner.",
    "A {job} works here from {day} to {day2}.",
    "People come here to buy {food}.",
    "In {month} it is often {adj}.",
    "Behind it you can see the {p2}.",
    "The {animal} sleeps under the {item}.",
    "On the wall hangs a {colour} {item}.",
    "It smells of {food} and {food2}.",
    "You should not touch the {item}.",
    "Some say that the {thing} is the best part of it.",
    "Children under {num} do not pay.",
    "The door is {colour}, and the roof is {colour2}.",
    "Most people like the {thing} more than the {thing2}.",
    "It is {adj}, but not as {adj2} as the {p2}.",
    "Whoever comes here must be {mood}.",
]
HOW_TO = [
    "First take the {item}.",
    "Then add some {food}.",
    "Wait for {num} minutes.",
    "Put everything into the {item2}.",
    "Now mix the {food} with the {food2}.",
    "Clean the {item} with warm water.",
    "Do not forget the {food2}.",
    "Ask a {job} if you are not sure.",
    "Finally, close the {item2}.",
    "It is ready when it looks {colour}.",
]


SCENES = (
    "{n} went to the {p} to buy {t}",
    "{n} found {t} in the {p}",
    "{n} forgot {t} at the {p}",
    "{n} repaired {t} in the {p}",
    "{n} took a photo of {t} near the {p}",
    "{n} gave {t} to a friend at the {p}",
)


def everyday_sentence(rng: Random) -> str:
    """One short event, without its full stop."""
    return pick(rng, SCENES).format(n=w.first_name(rng), p=pick(rng, w.PLACES), t=with_article(w.thing(rng)))


def cast(rng: Random) -> dict[str, str]:
    """The words for one story; reused in it, so that later sentences refer to earlier ones."""
    n, m = w.some(rng, w.FIRST, 2)
    item, item2 = pick(rng, w.ITEMS), pick(rng, w.ITEMS)
    he = pick(rng, ("he", "she"))
    animal, job = pick(rng, w.ANIMALS), pick(rng, w.JOBS)
    return {
        "n": n,
        "N": n if rng.random() < 0.5 else capital(he),
        "m": m,
        "he": he,
        "his": pick(rng, ("his", "her")),
        "item": item,
        "item2": item2,
        "item_a": with_article(f"{pick(rng, w.ADJECTIVES)} {item}"),
        "items": plural(item),
        "animal": animal,
        "animal_a": with_article(animal),
        "job": job,
        "job_a": with_article(job),
        "p": pick(rng, w.PLACES),
        "p2": pick(rng, w.PLACES),
        "food": pick(rng, w.FOODS),
        "food2": pick(rng, w.FOODS),
        "thing": pick(rng, w.COMMON),
        "thing2": pick(rng, w.COMMON),
        "mood": pick(rng, MOODS),
        "adj": pick(rng, w.ADJECTIVES),
        "adj2": pick(rng, w.ADJECTIVES),
        "time": pick(rng, TIMES),
        "day": pick(rng, w.WEEKDAYS),
        "day2": pick(rng, w.WEEKDAYS),
        "month": pick(rng, w.MONTHS),
        "num": str(between(rng, 2, 40)),
        "weather": pick(rng, WEATHER),
        "colour": pick(rng, w.COLOURS),
        "colour2": pick(rng, w.COLOURS),
    }


def plural(noun: str) -> str:
    if noun.endswith(("x", "sh", "ch", "s")):
        return noun + "es"
    return {"mouse": "mice", "knife": "knives", "shelf": "shelves", "key": "keys"}.get(noun, noun + "s")


def told(rng: Random, template: str, words: dict[str, str]) -> str:
    """A sentence; the adjective and the abstract noun change each time for variety."""
    words["adj"] = pick(rng, w.ADJECTIVES)
    words["thing"] = pick(rng, w.COMMON)
    return capital(fix_articles(template.format_map(words)))


def story(rng: Random, level: int) -> str:
    return pick(rng, (tale, tale, tale, dialogue, description, steps, prose, prose))(rng, level)


def tale(rng: Random, level: int) -> str:
    words = cast(rng)
    middle = between(rng, *((0, 1), (1, 5), (4, 16))[level])
    lines = [pick(rng, OPENINGS), pick(rng, WANTS), *w.some(rng, HAPPENINGS, middle)]
    if level > 0 or rng.random() < 0.3:
        lines.append(pick(rng, ENDINGS))
    sentences = [told(rng, line, words) for line in lines]
    if level == 2 and len(sentences) > 8 and rng.random() < 0.6:
        half = len(sentences) // 2
        return " ".join(sentences[:half]) + "\n\n" + " ".join(sentences[half:])
    return " ".join(sentences)


def dialogue(rng: Random, level: int) -> str:
    words = cast(rng)
    exchanges = [pick(rng, TALK_OPENERS), *w.some(rng, TALK_LINES, between(rng, *((0, 1), (1, 3), (3, 8))[level]))]
    shape = pick(rng, ("{who}: {what}", '{who} said: "{what}"', "- {what}"))
    lines = []
    for first, second in exchanges:
        for who, what in ((words["n"], first), (words["m"], second)):
            lines.append(shape.format(who=who, what=told(rng, what, words)))
    return "\n".join(lines)


def description(rng: Random, level: int) -> str:
    words = cast(rng)
    return " ".join(
        [told(rng, line, words) for line in w.some(rng, DESCRIPTIONS, between(rng, *((2, 3), (3, 6), (6, 14))[level]))]
    )


def steps(rng: Random, level: int) -> str:
    words = cast(rng)
    lines = [told(rng, line, words) for line in w.some(rng, HOW_TO, between(rng, *((2, 3), (3, 5), (5, 9))[level]))]
    if rng.random() < 0.5:
        return "\n".join([f"{i}. {line}" for i, line in enumerate(lines, 1)])
    return " ".join(lines)
