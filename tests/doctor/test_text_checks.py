"""The checks of what stands in one row: what they name, what they leave alone, and what is left after mending."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.doctor.rows import answered
from whet.doctor.check import CheckContext
from whet.doctor.check_registry import all_checks, check_of
from whet.doctor.checks.one_row.system_variants import SystemVariants
from whet.doctor.checks.one_row.tokenizer_gaps import TokenizerGaps
from whet.doctor.checks.one_text.truncated import end_of
from whet.doctor.text_checks import excerpt
from whet.recipe.load import load_recipe
from whet.types import Row

FAULTS = {
    "mojibake": ["donâ€™t", "MÃ¼ller", "the price is â‚¬5", "lost: f�r", "smart \x93quotes\x94"],
    "control-characters": ["a\u200bb", "a\x07b", "a\u202eb", "\ufeffa", "to\u200dgether", "\x1b[31mred\x1b[0m"],
    "html": ["a<br>b", "<p>Hi</p>", "R&amp;D", 'see <a href="https://x.io">this</a>', "5&nbsp;km"],
    "boilerplate": ["As an AI language model, I cannot eat.", "Certainly! Here are some.", "Yes. I hope this helps!"],
    "refusal": ["I'm sorry, but I can't assist with that.", "I cannot help with this.",
                "Unfortunately, I am unable to answer."],
    "personal-data": ["anna@posteo.de", "+49 30 901820", "4111 1111 1111 1111", "DE89370400440532013000", "10.1.2.33"],
    "secrets": ["AKIAIOSFODNN7EXAMPLE", "mysql://root:h4rdToGuess@db/x", "password: s3cr3tPw9x",
                "token=ab12cd34ef56gh78"],
    "truncated": ['{"a": 1, "b": ', "```python\nprint(1)\n",
                  "First you fill the tank with water and vinegar, and then let the"],
    "missing-answer": ["TODO", "N/A", "[insert answer here]", "..."],
}  # fmt: skip
CLEAN = {
    "mojibake": ["déjà vu", "Zoë — “yes”", "naïve café, 5 €", "Ångström", "ÄÖÜ"],
    "control-characters": ["a\tb\nc\r\n", "👨\u200d👩\u200d👧", "می\u200cخواهم",
                           "\U0001f3f4\U000e0067\U000e0062\U000e007f", "क\u200dष"],
    "html": ["a < b and c > d", "x<y>z", "`<br>` breaks", "```html\n<p>Hi</p>\n```", "<!DOCTYPE html><p>x</p>", "AT&T"],
    "boilerplate": ["The AI desk is open.", "We trained the staff.", "Surely it helps.", "Feel free to open the lid."],
    "refusal": ["I'm sorry for the delay; it ships today.", "You cannot open it when hot.", "I can help with that."],
    "personal-data": ["version 1.2.3.4", "127.0.0.1", "order 4821312345", "2026-01-02 10:20:30", "icon@2x.png",
                      "git@github.com:a/b", "order number 4111111111111111", "3.141592653589", "std::a::b", "12:30:45"],
    "secrets": ["the password is incorrect", "api_key: <your-key>", "token = os.environ", "secret = ${SECRET}",
                "sk-learn", "password: changeme123example"],
    "truncated": ["yes", "[Hello] there", "A short title", '{"a": 1}',
                  "def f(x):\n    return x + 1  # a longer answer with code",
                  "def f(values):\n    total = 0\n    for x in values: total += x;\n    return total;",
                  "These are the pages. Read them first: https://orrin.io/a/manual/of/the/kettle"],
    "missing-answer": ["Not applicable here.", "The text is missing."],
}  # fmt: skip


def found(code: str, text: str) -> list[int]:
    rows = [answered(n, f"Question {n}?", f"A plain answer, number {n}.") for n in range(200)]
    rows[7] = answered(7, "What is it?", text)
    return [row for finding in check_of(code)()(rows) for row in finding.rows]


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in FAULTS.items() for text in texts])
def test_a_fault_is_named_on_its_row_and_gone_after_mending(code: str, text: str) -> None:
    assert found(code, text) == [7]
    mended = check_of(code)().fix(text)
    if code in ("control-characters", "html", "personal-data", "secrets"):
        assert mended != text and found(code, mended) == []


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in CLEAN.items() for text in texts])
def test_what_only_looks_like_a_fault_is_left_alone(code: str, text: str) -> None:
    assert found(code, text) == []
    assert check_of(code)().fix(text) == text


@pytest.mark.parametrize(
    ("code", "text", "mended"),
    [
        ("mojibake", "donâ€™t, MÃ¼ller", "don’t, Müller"),
        ("mojibake", "gut\nschÃ¶n\nschön", "gut\nschön\nschön"),
        ("control-characters", "\ufeffa\u200bb\x07c", "abc"),
        ("control-characters", "\x1b[31mred\x1b[0m", "red"),
        ("html", "<p>One &amp; two</p><p>three<br/>four</p>", "One & two\nthree\nfour"),
        ("html", "use `<br>` or <b>this</b>", "use `<br>` or this"),
        ("html", "a &lt;br&gt; b<br>c", "a <br> b\nc"),
        ("personal-data", "I am a@b.de, call +49 30 901820", "I am [EMAIL], call [PHONE]"),
        ("personal-data", "Visa 4012 8888 8888 1881 at 93.184.216.34", "Visa [CARD] at [IP]"),
        ("secrets", "postgres://u:p4ssw0rdXy@db/x", "postgres://u:[SECRET]@db/x"),
    ],
)
def test_mending_gives_the_text_that_was_meant(code: str, text: str, mended: str) -> None:
    assert check_of(code)().fix(text) == mended


@pytest.mark.parametrize(
    "piece", ["x", "1 ", "1", "a@", "a.", "<a ", "&", "-", ":", "1.", "[{", "sk-", "//", "\u200b", "(", "A1"]
)
def test_the_time_grows_with_the_length_alone(piece: str) -> None:
    """What is pasted into a row may be anything, and one such row must not hold up all others."""
    row = answered(0, "What is it?", "Look. " + piece * (30_000 // len(piece)))
    for check in all_checks(skip=["language"]):
        start = time.process_time()
        check.see(row)
        check.fix(row.reference)
        assert time.process_time() - start < 1, check.code


def test_messages_do_not_show_secrets_or_personal_data() -> None:
    secret, mail = "ghp_" + "a1B2c3D4e5F6" * 3, "anna.kern@posteo.de"
    row = answered(0, "Hi?", f"use {secret} or write to {mail}")
    for code, value in (("secrets", secret), ("personal-data", mail)):
        [finding] = check_of(code)()([row])
        assert value not in finding.message and value[4:] not in finding.message


def test_turns_out_of_order_are_named() -> None:
    def row(index: int, roles: str) -> Row:
        names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
        return Row(index, f"x:{index}", [{"role": names[role], "content": "words"} for role in roles])

    orders = ["sua", "ua", "uaua", "uatta", "uata", "uua", "uaa", "aua", "usua", "suau"]
    [finding] = check_of("role-order")()(row(n, order) for n, order in enumerate(orders))
    assert finding.rows == [5, 6, 7, 8, 9] and "x:5: message 2: user after user" in finding.message


def test_a_place_holder_that_many_rows_have_is_a_label() -> None:
    rows = [answered(n, f"Q{n}?", "nan" if n % 10 == 0 else "An answer.") for n in range(200)]
    check = check_of("missing-answer")()
    assert check(rows) == [] and check.drops() == []


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("Try this first:\n1. Wipe the handle with a dry cloth.\n2. Try another socket.\n3. Check", "open"),
        ("- Wipe the handle with a dry cloth.\n- Let the kettle cool for a while.\n- Hold the button for 6", "open"),
        ("Its status page shows more:\n\n```html\n<p>order 4025050</p>\n```\n\nA new lid costs 65", "open"),
        ("Buy these for the repair:\n1. a new lid\n2. a filter of the same series\n3. lime remover", "ended"),
        ("Buy these for the repair:\n- a new lid\n- a filter (of the same series).\n- lime remover", "ended"),
        ("You need parts. Any shop has them:\n1. a new lid\n2. a filter\n\nOur workshop in Marston repairs it", "open"),
        ("You need one thing for the repair. It is sold in every shop:\n1. Lime remover of any brand", "ended"),
        ("The function adds both numbers:\n\n```python\nprint(2 + 3)\n```\n\nOutput: 5", "ended"),
    ],
)
def test_lists_and_blocks_of_code_end_in_their_own_way(text: str, end: str) -> None:
    assert end_of(text) == end
    if end == "open":
        assert end_of(f"{text} minutes.") == "ended"


def test_answers_without_a_last_sign_are_told_only_where_they_are_rare() -> None:
    text = "This is one sentence of an answer. And here is a second one that has no sign at its end"
    assert end_of(text) == "open" and end_of(text + ".") == "ended"
    for share, expected in ((100, 2), (4, 0)):
        rows = [answered(n, f"Q{n}?", text if n % share == 0 else f"{text}.") for n in range(200)]
        check = check_of("truncated")()
        assert sum(finding.count for finding in check(rows)) == expected == len(check.drops())


def test_rare_languages_are_named_and_several_are_only_mentioned() -> None:
    english = "Please pull the plug first and let the machine cool down before you open the lid of it."
    german = "Bitte ziehen Sie zuerst den Stecker und lassen Sie das Gerät abkühlen, bevor Sie es öffnen."
    rows = [answered(n, english, german if n == 9 else english) for n in range(100)]
    [finding] = check_of("language")()(rows)
    assert finding.rows == [9] and finding.severity == "warning" and "de: " in finding.message
    rows = [answered(n, english, german if n % 3 == 0 else english) for n in range(99)]
    [finding] = check_of("language")()(rows)
    assert finding.rows == [] and finding.severity == "info" and "en 67%, de 33%" in finding.message
    code = "def mittelwert(liste_der_zahlen): return summe(liste_der_zahlen) / laenge(liste_der_zahlen)"
    assert check_of("language")()([answered(n, english, code if n == 9 else english) for n in range(100)]) == []


def test_other_forms_are_told_where_nearly_all_have_one() -> None:
    def named(answers: list[str]) -> list[int]:
        findings = check_of("mixed-formats")()(answered(n, f"Q{n}?", text) for n, text in enumerate(answers))
        return sorted({row for finding in findings for row in finding.rows})

    objects = [f'{{"intent": "a", "n": {n}}}' for n in range(60)]
    assert named(objects) == []
    assert named([*objects, "The intent is a.", 'So: {"intent": "a", "n": 3}', '{"intent": "b"}']) == [60, 61, 62]
    labels = ["refund", "status", "Refund."] * 20
    assert named(labels) == []
    assert named([*labels, "exchange"]) == [], "a label that occurs once is a label"
    assert named([*labels, "refund, because the customer says that it is broken"]) == [60]
    assert named(["Prose of any kind.", "And more of it, too."] * 30 + ['{"a": 1}']) == []


def test_other_dates_are_told_where_nearly_all_have_one_way() -> None:
    rows = [answered(n, "When?", f"On 2026-04-{n + 1:02d}.") for n in range(25)]
    assert check_of("mixed-dates")()(rows) == []
    rows += [answered(25, "When?", "On 3 April 2026."), answered(26, "When?", "On 03/04/2026 or 2026-04-03.")]
    [finding] = check_of("mixed-dates")()(rows)
    assert finding.rows == [25, 26] and "(2026-04-30)" in finding.message


def test_variants_of_the_system_prompt_are_named_and_mended() -> None:
    def row(index: int, system: str) -> Row:
        return Row(
            index, f"x:{index}", [{"role": "system", "content": system}, *answered(index, "Hi?", "Hello.").messages]
        )

    usual, variant, other = (
        "You are a helpful clerk of Orrin.",
        "You are a helpfull clerk of Orrin",
        "Translate into German.",
    )
    rows = [row(n, usual) for n in range(40)] + [row(40, variant), row(41, other)]
    check = SystemVariants()
    [finding] = check(rows)
    assert finding.rows == [40]
    assert check.fix(variant) == usual and check.fix(other) == other and check.fix("text") == "text"
    assert SystemVariants()(row(n, f"You help customer {n} of the shop today.") for n in range(700)) == []


def test_characters_that_the_tokenizer_spells_are_named(tmp_path: Path) -> None:
    from whet.model.base import load_tokenizer

    recipe, tokenizer = load_recipe({"data": "x.jsonl"}), load_tokenizer("nano", False)
    setting = CheckContext(recipe, tokenizer, 1024, lambda _: "", lambda _: "")
    check = TokenizerGaps()
    check.begin(setting)
    answers = ["Plain.", "Müller isst gern Brötchen.", "返品できますか", "Fine 🙂 and a long enough text around it."]
    [finding] = check(answered(n, "A question?", text) for n, text in enumerate(answers))
    assert finding.rows == [2]


def test_rows_far_longer_than_the_others_are_named() -> None:
    rows = [answered(n, "Why?", "word " * (20 + n % 30)) for n in range(100)]
    assert check_of("long-rows")()(rows) == []
    rows[3] = answered(3, "Why?", "word " * 2000)
    [finding] = check_of("long-rows")()(rows)
    assert finding.rows == [3] and "up to 10,0" in finding.message


@pytest.mark.parametrize("hidden", ["anna.berger@example-post.org", "ghp_" + "a1B2c3D4e5F6" * 3], ids=["mail", "key"])
def test_an_excerpt_shows_no_personal_data_and_no_secret(hidden: str) -> None:
    """Not even what stands in the excerpt of one that goes on beyond it."""
    shown = excerpt(f"<p>It is {hidden} in full", 0, 3)
    assert shown in ("<p>It is [EMAIL]...", "<p>It is [SECRET]...")
