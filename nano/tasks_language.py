"""Word forms, categories, spelling, feelings, one-sentence summaries and rephrasing."""

from random import Random

from nano import words as w
from nano.grammar import common_knowledge
from nano.stories import everyday_sentence
from nano.words import Pair, between, pick

OPPOSITES = dict(
    pair.split("-")
    for pair in """big-small hot-cold old-new long-short fast-slow good-bad happy-sad light-dark hard-soft high-low
rich-poor early-late open-closed full-empty clean-dirty wet-dry strong-weak thick-thin near-far
loud-quiet up-down left-right day-night begin-end give-take buy-sell win-lose love-hate push-pull
laugh-cry inside-outside above-below before-after always-never true-false black-white first-last
young-aged deep-shallow easy-difficult cheap-expensive brave-afraid kind-cruel sharp-blunt smooth-rough
wide-narrow sweet-sour safe-dangerous friend-enemy summer-winter morning-evening question-answer
remember-forget arrive-leave sleep-wake""".split()
)
PLURALS = {
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "knife": "knives",
    "wolf": "wolves",
    "leaf": "leaves",
    "shelf": "shelves",
    "city": "cities",
    "baby": "babies",
    "story": "stories",
    "box": "boxes",
    "bus": "buses",
    "glass": "glasses",
    "brush": "brushes",
    "watch": "watches",
    "potato": "potatoes",
    "sheep": "sheep",
    "fish": "fish",
    "party": "parties",
    "dish": "dishes",
    "fox": "foxes",
    "church": "churches",
    "key": "keys",
    "day": "days",
    "life": "lives",
    "country": "countries",
}
PLURALS |= {
    word: word + "s"
    for word in """lamp chair table clock radio camera cup plate spoon fork boot hat book
pencil bucket dog cat horse cow
pig hen duck rabbit bear frog apple pear plum carrot onion egg river hill road letter tree flower
cloud
song bridge garden""".split()
}
PASTS = dict(
    pair.split("-")
    for pair in """go-went see-saw eat-ate take-took come-came give-gave run-ran
write-wrote read-read sing-sang swim-swam
drink-drank find-found buy-bought bring-brought think-thought catch-caught teach-taught
sleep-slept
keep-kept leave-left feel-felt meet-met sit-sat stand-stood tell-told say-said make-made have-had be-was
do-did know-knew grow-grew fly-flew draw-drew break-broke speak-spoke wear-wore win-won lose-lost
walk-walked talk-talked play-played work-worked open-opened close-closed help-helped ask-asked
answer-answered wait-waited jump-jumped cook-cooked wash-washed paint-painted""".split()
)
CATEGORIES = {
    "animal": w.ANIMALS,
    "food": [f for f in w.FOODS if f not in ("fish", "chicken")],
    "colour": ["red", "blue", "green", "yellow", "black", "white", "brown", "grey", "purple", "pink"],
    "job": w.JOBS,
    "day": w.WEEKDAYS,
    "month": w.MONTHS,
    "tool": "hammer drill saw shovel ladder brush knife rope".split(),
    "furniture": "chair table sofa bed desk shelf".split(),
    "clothing": "jacket coat scarf glove boot hat".split(),
    "instrument": "drum guitar piano violin flute harp".split(),
}
CATEGORIES["animal"] = [animal for animal in w.ANIMALS if animal != "fish"]


def language(rng: Random, level: int) -> Pair:
    return pick(rng, LANGUAGE_JOBS)(rng)


def opposite(rng: Random) -> Pair:
    word, other = pick(rng, list(OPPOSITES.items()))
    return pick(
        rng,
        (
            "What is the opposite of {w}?",
            "Opposite of {w}?",
            "Give the opposite: {w}",
            "Which word means the opposite of {w}?",
        ),
    ).format(w=word), other


def plural(rng: Random) -> Pair:
    word, many = pick(rng, list(PLURALS.items()))
    if rng.random() < 0.3:
        return f"One {word}, two ...?", many
    return pick(rng, ("What is the plural of {w}?", "Plural of {w}?", "Write {w} in the plural.")).format(w=word), many


def past(rng: Random) -> Pair:
    verb, then = pick(rng, list(PASTS.items()))
    return pick(
        rng, ("What is the past tense of {w}?", "Past tense of {w}?", "Write the verb {w} in the past.")
    ).format(w=verb), then


def category(rng: Random) -> Pair:
    right, wrong = w.some(rng, list(CATEGORIES), 2)
    member = pick(rng, CATEGORIES[right])
    first, second = (right, wrong) if rng.random() < 0.5 else (wrong, right)
    return pick(
        rng,
        (
            (f"Is {member} a kind of {first} or {second}?"),
            (f"Classify {member}: {first} or {second}?"),
            (f"{member}: {first} or {second}?"),
        ),
    ), right


def odd_one_out(rng: Random) -> Pair:
    right, wrong = w.some(rng, ("animal", "food", "job", "day", "month", "furniture", "clothing"), 2)
    stranger = pick(rng, CATEGORIES[wrong])
    words = [*w.some(rng, CATEGORIES[right], 3), stranger]
    rng.shuffle(words)
    return f"Which word does not fit: {', '.join(words)}?", stranger


def member_of(rng: Random) -> Pair:
    name, wrong = w.some(rng, ("animal", "food", "colour", "job"), 2)
    true = rng.random() < 0.5
    member = pick(rng, CATEGORIES[name if true else wrong])
    if not true and member in CATEGORIES[name]:
        true = True
    return f"Is {member} {w.with_article(name)}? Answer yes or no.", "yes" if true else "no"


def spell(rng: Random) -> Pair:
    word = w.common_word(rng)
    return pick(rng, (f"Spell {word}.", f"Spell the word {word} with dashes.")), "-".join(word)


def first_letter(rng: Random) -> Pair:
    word = w.common_word(rng)
    return pick(
        rng,
        (
            (f"What is the first letter of {word}?", word[0]),
            (f"What is the last letter of {word}?", word[-1]),
            (f"How many letters has {word}?", str(len(word))),
        ),
    )


def calendar(rng: Random) -> Pair:
    spot = between(rng, 0, 6)
    day = w.WEEKDAYS[spot]
    month = between(rng, 0, 11)
    return pick(
        rng,
        (
            (f"Which day comes after {day}?", w.WEEKDAYS[(spot + 1) % 7]),
            (f"Which day comes before {day}?", w.WEEKDAYS[spot - 1]),
            (f"Which month comes after {w.MONTHS[month]}?", w.MONTHS[(month + 1) % 12]),
            (f"Which month comes before {w.MONTHS[month]}?", w.MONTHS[month - 1]),
        ),
    )


PADDING = (
    "It was a cold morning.",
    "The bus was late.",
    "Many people were there.",
    "On the way it began to rain.",
    "Later there was tea and cake.",
    "Nobody noticed.",
    "The weather was fine.",
    "It took the whole afternoon.",
)


def summary(rng: Random) -> Pair:
    scene = everyday_sentence(rng)
    sentences = [scene + ".", *w.some(rng, PADDING, between(rng, 1, 3))]
    rng.shuffle(sentences)
    ask = pick(
        rng, ("Give a summary in one sentence", "Sum this up", "What is the main point", "Say it in one sentence")
    )
    return f"{ask}: {' '.join(sentences)}", scene + "."


REPHRASINGS = (
    ("{a} gave {t} to {b}", "{b} got {t} from {a}"),
    ("{a} is older than {b}", "{b} is younger than {a}"),
    ("{a} sold {t} to {b}", "{b} bought {t} from {a}"),
    ("{a} is taller than {b}", "{b} is smaller than {a}"),
    ("{a} lives next to {b}", "{b} is a neighbour of {a}"),
    ("{a} teaches {b}", "{b} learns from {a}"),
    ("{a} lent {t} to {b}", "{b} borrowed {t} from {a}"),
    ("{a} came before {b}", "{b} came after {a}"),
)


REPHRASE_ASKS = ("Say it in other words", "Rephrase", "Say it the other way round", "Put this differently")


def rephrase(rng: Random) -> Pair:
    one, two = pick(rng, REPHRASINGS)
    if rng.random() < 0.4:
        one, two = two, one
    a, b = w.some(rng, w.FIRST, 2)
    values = {"a": a, "b": b, "t": w.with_article(w.thing(rng))}
    return (
        f"{pick(rng, REPHRASE_ASKS)}: {one.format(**values)}.",
        two.format(**values) + ".",
    )


FEELINGS = {
    "positive": (
        "I love this {t}.",
        "The {t} is wonderful.",
        "What a lovely {t}!",
        "I am so happy with the {t}.",
        "The {t} works very well.",
        "Best {t} ever.",
    ),
    "negative": (
        "I hate this {t}.",
        "The {t} is terrible.",
        "What an awful {t}!",
        "I am sad about the {t}.",
        "The {t} broke at once.",
        "Worst {t} ever.",
    ),
}


def feeling(rng: Random) -> Pair:
    mood = pick(rng, ("positive", "negative"))
    text = pick(rng, FEELINGS[mood]).format(t=pick(rng, w.ITEMS))
    return pick(
        rng,
        (
            f"Is this positive or negative? {text}",
            f"{text}\nPositive or negative?",
            f"Sentiment (positive, negative): {text}",
        ),
    ), mood


LANGUAGE_JOBS = (
    opposite,
    plural,
    past,
    category,
    category,
    odd_one_out,
    member_of,
    spell,
    first_letter,
    calendar,
    summary,
    summary,
    rephrase,
    rephrase,
    feeling,
    common_knowledge,
    common_knowledge,
)
