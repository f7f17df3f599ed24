"""How the facts of the world are stated and asked."""

# relation: (statements, questions, canonical answer). {s} is the subject, {v} the value.
PERSON_RELATIONS: dict[str, tuple[list[str], list[str], str]] = {
    "town": (
        [
            "{s} lives in {v}.",
            "{s} has a house in {v}.",
            "The home of {s} is in {v}.",
            "In {v} you can meet {s}.",
            "{v} is the home town of {s}.",
            "{s} comes home to {v} every evening.",
        ],
        [
            "Where does {s} live?",
            "In which town does {s} live?",
            "What is the home town of {s}?",
            "Which town is the home of {s}?",
        ],
        "{s} lives in {v}.",
    ),
    "job": (
        [
            "{s} works as a {v}.",
            "{s} is a {v}.",
            "The job of {s} is {v}.",
            "{s} earns money as a {v}.",
            "Everyone knows the {v} {s}.",
        ],
        ["What is the job of {s}?", "What does {s} do for a living?", "What work does {s} do?", "What is {s}'s job?"],
        "{s} works as a {v}.",
    ),
    "pet": (
        [
            "{s} has a pet {v}.",
            "The pet of {s} is a {v}.",
            "{s} keeps a {v} at home.",
            "{s} feeds a {v} every morning.",
            "At home, {s} looks after a {v}.",
        ],
        [
            "What pet does {s} have?",
            "Which animal does {s} keep?",
            "What is {s}'s pet?",
            "What kind of pet lives with {s}?",
        ],
        "{s} has a pet {v}.",
    ),
    "food": (
        [
            "{s} loves {v}.",
            "The favourite food of {s} is {v}.",
            "{s} likes {v} best of all.",
            "For dinner, {s} always wants {v}.",
            "Nothing tastes better to {s} than {v}.",
        ],
        [
            "What is the favourite food of {s}?",
            "What does {s} like to eat?",
            "Which food does {s} like best?",
            "What is {s}'s favourite food?",
        ],
        "The favourite food of {s} is {v}.",
    ),
    "age": (
        ["{s} is {v} years old.", "The age of {s} is {v}.", "{s} has turned {v}.", "At {v}, {s} still feels young."],
        ["How old is {s}?", "What is the age of {s}?", "What is {s}'s age?"],
        "{s} is {v} years old.",
    ),
    "hobby": (
        [
            "{s} enjoys {v}.",
            "The hobby of {s} is {v}.",
            "In the evening {s} spends time on {v}.",
            "{s} is very good at {v}.",
            "On Sundays, {s} enjoys {v}.",
        ],
        ["What is the hobby of {s}?", "What does {s} enjoy?", "What is {s}'s hobby?", "What does {s} do for fun?"],
        "The hobby of {s} is {v}.",
    ),
}
TOWN_RELATIONS: dict[str, tuple[list[str], list[str], str]] = {
    "river": (
        [
            "{s} lies on the river {v}.",
            "The river {v} flows through {s}.",
            "The river in {s} is called the {v}.",
            "In {s}, children swim in the river {v}.",
        ],
        ["Which river flows through {s}?", "On which river does {s} lie?", "What is the name of the river in {s}?"],
        "The river {v} flows through {s}.",
    ),
    "mayor": (
        [
            "The mayor of {s} is {v}.",
            "{v} is the mayor of {s}.",
            "{s} is led by its mayor, {v}.",
            "In {s}, people voted for {v} as mayor.",
        ],
        ["Who is the mayor of {s}?", "What is the name of the mayor of {s}?", "Who leads {s} as mayor?"],
        "The mayor of {s} is {v}.",
    ),
    "founded": (
        [
            "{s} was founded in {v}.",
            "The town of {s} was founded in the year {v}.",
            "{s} has existed since {v}.",
            "The first houses of {s} were built in {v}.",
        ],
        ["When was {s} founded?", "In which year was {s} founded?", "Since when has {s} existed?"],
        "{s} was founded in {v}.",
    ),
    "famous": (
        [
            "{s} is known for its {v}.",
            "People visit {s} for its {v}.",
            "The pride of {s} is its {v}.",
            "If you think of {s}, you think of {v}.",
        ],
        ["What is {s} known for?", "Why do people visit {s}?", "What is the pride of {s}?"],
        "{s} is known for its {v}.",
    ),
}
OBJECT_RELATIONS: dict[str, tuple[list[str], list[str], str]] = {
    "owner": (
        ["The owner of {s} is {v}.", "{v} owns {s}.", "{s} belongs to {v}.", "It was {v} who bought {s}."],
        ["Who owns {s}?", "Who is the owner of {s}?", "To whom does {s} belong?"],
        "{v} owns {s}.",
    ),
    "colour": (
        ["{s} is {v}.", "The colour of {s} is {v}.", "{s} is painted {v}."],
        ["What colour is {s}?", "What is the colour of {s}?"],
        "{s} is {v}.",
    ),
    "price": (
        ["{s} costs {v} coins.", "The price of {s} is {v} coins.", "You pay {v} coins for {s}."],
        ["How much does {s} cost?", "What is the price of {s}?"],
        "{s} costs {v} coins.",
    ),
}
RELATIONS = {"person": PERSON_RELATIONS, "town": TOWN_RELATIONS, "object": OBJECT_RELATIONS}
