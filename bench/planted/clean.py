"""Chat rows without a fault: a shop for household machines and its customers, no two rows alike.

They hold what a check could mistake: order numbers, versions, prices, times, dates in one style, a few foreign names,
code in fences, lists, and emoji.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from bench.planted.form import Record

SYSTEM = "You are the service desk of Orrin, a maker of household machines. Answer in plain and friendly words."
THINGS = (
    "kettle toaster blender juicer oven fridge freezer dishwasher vacuum steamer iron fan heater dehumidifier grinder "
    "scale mixer fryer grill hob hood waffle-maker ice-maker soda-maker bread-maker rice-cooker slow-cooker "
    "air-purifier"
).split()
COLOURS = "white black silver red green blue cream copper grey teal".split()
PARTS = (
    "lid filter hose cable handle seal drum motor knob display basket tray nozzle valve lamp fuse sensor hinge spring "
    "belt"
).split()
TROUBLES = (
    "leaks at the {part}|makes a grinding noise|stops after {n} minutes|does not switch on|smells of burnt rubber|"
    "shows the "
    "code E{n}|trips the fuse|rattles when the {part} turns|lost its {part}|no longer heats|will not close|loses power "
    "when "
    "the {part} is warm|blinks {n} times and goes off|has a scratch on the {part}|arrived without the {part}"
).split("|")
SINCE = (
    "since the move|since last week|since the power cut|since I cleaned the {part}|from the first day on|for {n} days|"
    "only in "
    "the morning|whenever the {other} runs as well|since the update to version {a}.{b}.{c}|after {n} months of daily "
    "use|"
    "when it stands next to the {other}|every second time"
).split("|")
ASKS = (
    "What can I do?|Can it be repaired?|Is that covered by the warranty?|Do I have to send it back?|Which {part} fits "
    "it?|"
    "How long does a repair take?|Could you send somebody?|Is it safe to go on using it?|Where do I find the manual?|"
    "Would a new {part} help?|How much is a new one?|Can I exchange it for the {colour} one?"
).split("|")
PLACES = (
    "Aldersea Brackwell Corrin Dunmere Eastholm Farley Garrow Hexley Inverbrook Kelso Lindale Marston Norwick Oakham "
    "Penrith Quarley Rothwell Saltby Thirsk Upwell Warden Yarrow"
).split()
NAMES = "Zoë|André|Jürgen|Mirela|Tom|Priya|Søren|Nadia|Li Wei|Agnes|Björn|Chloé|Omar|Ruth".split("|")
GREETINGS = "Hello,|Hi there,|Good morning,|Dear team,|Good evening,||||".split("|")
FIRST_STEPS = (
    "Please unplug the {thing} and let it cool for {n} minutes|Take out the {part} and rinse it under warm water|Check "
    "whether "
    "the {part} sits straight|Hold the button for {n} seconds until the lamp goes off|Turn the {part} to the left "
    "until it "
    "clicks|Move it at least {n} cm away from the {other}|Wipe the {part} with a dry cloth|Try another socket first|"
    "Look "
    "under the {part} for the serial number|Empty it and run it once without water|Set the dial to {n} and wait for "
    "the tone"
).split("|")
REASONS = (
    "lime on the {part} is the usual cause|the {part} wears out after some {n} hundred hours|the sensor next to the "
    "{part} may "
    "be wet|the {part} of that series was replaced in {year}|the lock opens only when the {part} is cold|a loose "
    "{part} makes "
    "just that noise|the fuse protects the motor in this case|firmware {a}.{b}.{c} reads the {part} wrongly"
).split("|")
OFFERS = (
    "A new {part} costs {price} euros and ships within {n} days|The warranty covers it until the end of {year}|Our "
    "workshop in "
    "{place} repairs it within {n} working days|You can exchange it in {place} on weekdays between 9:30 and 18:00|We "
    "send you "
    "a label, so that the way back is free|The {colour} one is in stock in {place}|{name} from our workshop in {place} "
    "calls "
    "back before noon|The part number is OR-{code}, and it fits all models since {year}"
).split("|")
ENDS = (
    "Tell us how it went|That should do it|If it still happens, the order number {order} is all we need|We are sorry "
    "for the "
    "trouble|Do not open the housing yourself|You will find the manual on our site|Keep the box until then|Thank you "
    "for your "
    "patience 🙂|It is safe to use it in the meantime|Please do not use it until then"
).split("|")


def clean_rows(random: Random, count: int) -> list[Record]:
    """`count` conversations, one in five of them with a second question."""
    return [_row(random, number) for number in range(count)]


def _row(random: Random, number: int) -> Record:
    words = _words(random, number)
    messages = [
        {"role": "system", "content": SYSTEM},
        _user(_question(random, words)),
        _assistant(_answer(random, words)),
    ]
    if random.random() < 0.2:
        again = {**words, **_words(random, number + 7), "thing": words["thing"]}
        asked = (
            f"Thank you. {_filled(random, ASKS, again)} And the {again['other']} {_filled(random, TROUBLES, again)}."
        )
        messages += [_user(asked), _assistant(_answer(random, again))]
    return {"messages": messages}


def _words(random: Random, number: int) -> dict[str, object]:
    thing, other = random.sample(THINGS, 2)
    return {
        "thing": thing,
        "other": other,
        "colour": random.choice(COLOURS),
        "place": random.choice(PLACES),
        "name": random.choice(NAMES),
        "year": random.randint(2019, 2027),
        "order": f"{4_000_000 + 37 * number + random.randrange(37)}",
        "code": f"{random.randrange(1000, 9999)}-{random.choice('ABCDEF')}",
        "a": random.randint(1, 9),
        "b": random.randint(0, 20),
        "c": random.randint(0, 40),
        "price": f"{random.randint(4, 90)}.{random.choice(['00', '50', '90'])}",
    }


def _question(random: Random, words: dict[str, object]) -> str:
    greeting = random.choice(GREETINGS)
    trouble, since = _filled(random, TROUBLES, words), _filled(random, SINCE, words)
    first = (
        f"my {words['colour']} {words['thing']} (order {words['order']}, bought in {words['place']}) {trouble} {since}."
    )
    text = f"{greeting} {first}" if greeting else first[0].upper() + first[1:]
    if random.random() < 0.4:
        text += f" It cost {words['price']} euros on {_date(random)}."
    if random.random() < 0.4:
        text += f" The {words['other']} {_filled(random, TROUBLES, words)}, too."
    return f"{text} {_filled(random, ASKS, words)}"


def _answer(random: Random, words: dict[str, object]) -> str:
    steps = [_filled(random, FIRST_STEPS, words) for _ in range(random.randint(1, 4))]
    reason, offer, end = (_filled(random, pool, words) for pool in (REASONS, OFFERS, ENDS))
    style = random.random()
    if style < 0.15:
        listed = "\n".join(f"{n}. {step}." for n, step in enumerate(steps, start=1))
        return f"Try this with your {words['thing']}, because {reason}:\n{listed}\n{offer}. {end}."
    if style < 0.2:
        page = f"```html\n<p>order {words['order']}<br>&amp; more</p>\n```"
        return f"Its status page shows more:\n\n{page}\n\n{offer}. {end}."
    told = ". ".join(steps)
    shipped = f" We received it on {_date(random)}." if random.random() < 0.3 else ""
    return f"{told}. With the {words['thing']}, {reason}.{shipped} {offer}. {end}."


def _date(random: Random) -> str:
    return f"{random.randint(2023, 2026)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}"


def _filled(random: Random, pool: Sequence[str], words: dict[str, object]) -> str:
    return random.choice(pool).format(**words, part=random.choice(PARTS), n=random.randint(2, 40))


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
