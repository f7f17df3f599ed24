"""Requests whose exact answer follows from the request: formats, first words, choices, joins."""

from random import Random

from nano import words as w
from nano.stories import everyday_sentence
from nano.words import NUMBER_WORDS, Pair, between, pick


def instructions(rng: Random, level: int) -> Pair:
    """Requests whose exact answer follows from the request."""
    return pick(rng, INSTRUCTION_JOBS)(rng)


def in_capitals(rng: Random) -> Pair:
    text = everyday_sentence(rng) + "."
    return (
        f"{pick(rng, ('Write in capitals', 'Write this in capital letters', 'Use only capital letters'))}: {text}",
        text.upper(),
    )


def end_with(rng: Random) -> Pair:
    text, word = everyday_sentence(rng) + ".", pick(rng, ("Done", "Over", "The end", "Thanks", "Stop", "That is all"))
    return pick(
        rng, (f'Copy the sentence and end with "{word}.": {text}', f'Repeat this and finish with "{word}.": {text}')
    ), f"{text} {word}."


def start_with(rng: Random) -> Pair:
    text, word = everyday_sentence(rng) + ".", pick(rng, ("Well", "Listen", "Look", "Now", "So"))
    return f'Begin with "{word}:" and then copy the sentence. {text}', f"{word}: {text}"


def in_quotes(rng: Random) -> Pair:
    text = w.word_row(rng)
    opening, closing, name = pick(
        rng, (('"', '"', "quotes"), ("(", ")", "round brackets"), ("[", "]", "square brackets"), ("*", "*", "stars"))
    )
    return f"Put {name} around this text: {text}", f"{opening}{text}{closing}"


def nth_word(rng: Random) -> Pair:
    text = w.word_row(rng)
    spot, name = pick(rng, ((0, "first"), (1, "second"), (2, "third"), (-1, "last")))
    return f"Answer in one word. What is the {name} word of: {text}", text.split()[spot]


def word_count(rng: Random) -> Pair:
    text = w.word_row(rng)
    return f"How many words: {text}", str(len(text.split()))


def exactly_three(rng: Random) -> Pair:
    options = [w.common_word(rng) for _ in range(between(rng, 4, 7))]
    count = pick(rng, (2, 3))
    return f"Give exactly the first {NUMBER_WORDS[count]} of these words: {', '.join(options)}", ", ".join(
        options[:count]
    )


def choose(rng: Random) -> Pair:
    number = between(rng, 1, 100)
    yes, no = w.gibberish(rng), w.gibberish(rng)
    limit = between(rng, 1, 100)
    return f"If {number} is larger than {limit}, write {yes}, else write {no}.", yes if number > limit else no


def only_digits(rng: Random) -> Pair:
    number = w.number(rng)
    words = [w.common_word(rng) for _ in range(between(rng, 3, 6))]
    words.insert(between(rng, 0, len(words)), number)
    return pick(
        rng, (f"Write only the number: {' '.join(words)}", f"{' '.join(words)}\nWhich number is in the line?")
    ), number


def without_spaces(rng: Random) -> Pair:
    text = w.word_row(rng)
    mark, name = pick(
        rng, (("", "without spaces"), ("-", "with dashes"), ("_", "with underscores"), (", ", "with commas"))
    )
    return f"Join the words {name}: {text}", text.replace(" ", mark)


def two_lines(rng: Random) -> Pair:
    a, b = w.token(rng), w.token(rng)
    return f"Write {a} on the first line and {b} on the second line.", f"{a}\n{b}"


def label_first(rng: Random) -> Pair:
    name, value = w.first_name(rng), w.code(rng)
    shape = pick(rng, ("Name: {n}, Code: {v}", "{n} ({v})", "{v} - {n}", "[{v}] {n}", "{n}/{v}"))
    return (
        f"Use the form {shape.format(n='NAME', v='CODE')}. The name is {name} and the code is {value}.",
        shape.format(n=name, v=value),
    )


INSTRUCTION_JOBS = (
    in_capitals,
    end_with,
    start_with,
    in_quotes,
    nth_word,
    word_count,
    exactly_three,
    choose,
    only_digits,
    only_digits,
    without_spaces,
    two_lines,
    label_first,
)
