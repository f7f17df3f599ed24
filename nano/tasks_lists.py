"""List tasks: pick, reverse, sort, count, reshape."""

from random import Random

from nano import words as w
from nano.words import Pair, and_list, between, pick

ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"]


def list_task(rng: Random, level: int) -> Pair:
    count = between(rng, 2 + (level > 0), 4 + 2 * level)
    maker = pick(
        rng, (w.common_word, w.common_word, w.first_name, w.made_up, w.code, w.number, w.thing, w.city, w.gibberish)
    )
    items = list(dict.fromkeys([maker(rng) for _ in range(count)]))
    joint = pick(rng, (", ", ", ", ", ", "; ", "\n", " | "))
    ask, answer = pick(rng, LIST_JOBS)(rng, items)
    shown = joint.join(items)
    order = rng.random()
    if order < 0.6:
        return f"{ask}: {shown}" if joint != "\n" else f"{ask}:\n{shown}", answer
    if order < 0.8:
        return f"{pick(rng, ('List: ', 'Items: ', '', 'Here are some items: '))}{shown}\n{ask}.", answer
    return f"{ask}.\n\n{shown}", answer


def nth_item(rng: Random, items: list[str]) -> Pair:
    spot = int(rng.random() * min(len(items), 6))
    return pick(
        rng, ("Give the {n} item", "Write only the {n} item", "Take the {n} item of the list", "Which item is {n}")
    ).format(n=ORDINALS[spot]), items[spot]


def last_item(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Give the last item", "Write only the last item", "Which item comes last")), items[-1]


def reversed_list(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Reverse the list", "Write the items in reverse order", "Turn the list around")), ", ".join(
        items[::-1]
    )


def sorted_list(rng: Random, items: list[str]) -> Pair:
    if all(item.isdigit() for item in items):
        return pick(rng, ("Sort the numbers from small to large", "Sort these numbers")), ", ".join(
            sorted(items, key=int)
        )
    return pick(rng, ("Sort the list by the alphabet", "Put the items in alphabetical order")), ", ".join(
        sorted(items, key=str.lower)
    )


def counted(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Count the items", "How many items are in the list", "Give the number of items")), str(len(items))


def bulleted(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Write the items as a list with dashes", "Make a bullet list")), "\n".join(
        [f"- {item}" for item in items]
    )


def numbered(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Number the items", "Make a numbered list")), "\n".join(
        [f"{i}. {item}" for i, item in enumerate(items, 1)]
    )


def shouted(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Write everything in capital letters", "Write the items in capitals")), ", ".join(items).upper()


def lowered(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Write everything in small letters", "Write the items in lower case")), ", ".join(items).lower()


def without(rng: Random, items: list[str]) -> Pair:
    gone = pick(rng, items)
    rest = [item for item in items if item != gone] or items
    return (f"Leave out {gone} and copy the rest" if rest != items else "Copy the list"), ", ".join(rest)


def added(rng: Random, items: list[str]) -> Pair:
    extra = w.common_word(rng)
    return f"Add {extra} at the end of the list", ", ".join([*items, extra])


def follower(rng: Random, items: list[str]) -> Pair:
    if len(items) < 2:
        return "Copy the list", items[0]
    spot = int(rng.random() * (len(items) - 1))
    return f"Which item comes right after {items[spot]}", items[spot + 1]


def joined(rng: Random, items: list[str]) -> Pair:
    return pick(rng, ("Join the items with and", "Write the items with commas and an and")), and_list(items)


LIST_JOBS = (
    nth_item,
    nth_item,
    last_item,
    reversed_list,
    sorted_list,
    counted,
    bulleted,
    numbered,
    shouted,
    lowered,
    without,
    added,
    follower,
    follower,
    joined,
)
