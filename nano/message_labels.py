"""Labels that a message can carry, each with the clauses that give it away."""

from typing import NamedTuple


class Label(NamedTuple):
    keys: tuple[str, ...]
    hint: str
    cues: dict[str, tuple[str, ...]]


def kinds(keys: str, hint: str, /, **cues: str) -> Label:
    """Label table from compact text: cue clauses are separated by a bar."""
    return Label(tuple(keys.split()), hint, {label: tuple(text.split("|")) for label, text in cues.items()})


PRIORITY = Label(
    ("priority", "importance", "level"),
    "how much it presses",
    {
        "low": (
            "there is no hurry",
            "take your time",
            "any time is fine",
            "it can wait",
            "whenever you like",
            "no rush at all",
            "it is not important",
            "some day would do",
        ),
        "normal": (
            "please do it this week",
            "in the next few days would be good",
            "a normal answer time is fine",
            "please see to it soon",
            "some time this week",
        ),
        "high": (
            "I need it today",
            "please hurry",
            "this cannot wait",
            "it must be done right now",
            "answer at once please",
            "it is very important",
            "as fast as you can",
            "I need help immediately",
        ),
    },
)
MOOD = Label(
    ("mood", "sentiment", "feeling", "tone"),
    "the mood of the text",
    {
        "positive": (
            "I am very happy",
            "it was wonderful",
            "we loved it",
            "what a great day",
            "thank you so much, it was lovely",
            "I could not be more pleased",
            "everything went well",
            "it works perfectly",
        ),
        "negative": (
            "I am quite angry",
            "it was terrible",
            "we were very sad",
            "what a bad day",
            "I am not pleased at all",
            "everything went wrong",
            "it was a waste of time",
            "I am disappointed",
        ),
        "neutral": (
            "it was as usual",
            "nothing special happened",
            "it is what it is",
            "I have no opinion on it",
            "it was neither good nor bad",
            "I only want to tell you",
        ),
    },
)
SKY = Label(
    ("weather", "sky", "condition"),
    "the weather",
    {
        "rain": ("it rained all day", "we got very wet", "take an umbrella", "drops are falling", "it is pouring"),
        "sun": ("the sun was shining", "a bright sunny day", "not a cloud in the sky", "it was sunny and clear"),
        "snow": (
            "snow lies on the roofs",
            "everything is white with snow",
            "it is snowing",
            "the children built a snowman",
        ),
        "wind": (
            "a strong wind is blowing",
            "the wind took my hat",
            "it is very windy",
            "leaves fly through the streets",
        ),
        "fog": ("you cannot see far in the fog", "thick fog covers the valley", "it is foggy"),
    },
)
