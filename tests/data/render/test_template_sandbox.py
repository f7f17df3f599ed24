"""A chat template comes with a base from anywhere: whatever it does, it ends soon, in little memory, with one error."""

from __future__ import annotations

import resource
import time
import tomllib
from pathlib import Path

import pytest

from whet.data.render import template_sandbox as metered
from whet.data.render.chat_template import TemplateRaised, bind
from whet.errors import ModelError

ASK = [{"role": "user", "content": "a"}]
MANY = "{% set ns = namespace(x=START) %}{% for i in range(60) %}{% set ns.x = NEXT %}{% endfor %}"
BIG = "{% set x = 'a ' * 500000 %}"


def doubling(start: str, following: str) -> str:
    return MANY.replace("START", start).replace("NEXT", following)


STEPS = {
    "loops": "{% for a in range(9999) %}{% endfor %}",
    "nested loops": "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
    "loops that leave all out": "{% for a in range(999) %}{% for b in range(999) if b < 0 %}{% endfor %}{% endfor %}",
    "macros that call themselves twice": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}"
    "{{ f(40) }}",
    "methods": "{% for a in range(999) %}{{ 'a'.upper().lower().upper() }}{% endfor %}",
}
SIZES = {
    "a far range": "{% for i in range(1000000000) %}{% endfor %}",
    "a recursive loop": "{% for x in [1] recursive %}{{ loop([1, 1]) }}{% endfor %}",
    "endless recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "repeated text": "{{ 'a' * 10 ** 10 }}",
    "repeated list": "{{ [0] * 10 ** 10 }}",
    "repeated twice": "{% set x = 'a' * 1000000 %}{{ x * 1000000 }}",
    "ljust": "{{ 'a'.ljust(3000000000) }}",
    "zfill": "{{ '1'.zfill(1000000000) }}",
    "expandtabs": "{{ ('\t' * 100000).expandtabs(1000000) }}",
    "center": "{{ 'a'|center(3000000000) }}",
    "center through map": "{{ ['a']|map('center', 3000000000)|list }}",
    "many that fit": "{% for i in range(99999) %}{{ 'a'.ljust(999999) }}{% endfor %}",
    "many slices": BIG
    + "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = ns.l + [x[1:]] %}{% endfor %}",
    "a large number": "{{ (2 ** 60000) ** 1000 }}",
    "squares": doubling("10", "ns.x * ns.x"),
    "joined to itself": doubling("'a'", "ns.x ~ ns.x"),
    "added to itself": doubling("'a'", "ns.x + ns.x"),
    "lists of itself": doubling("[0]", "[ns.x, ns.x]") + "{{ ns.x }}",
    "lists of itself, compared": doubling("[0]", "[ns.x, ns.x]") + "{{ ns.x == ns.x|list }}",
    "dictionaries of itself": doubling("{}", "dict(a=ns.x, b=ns.x)") + "{{ ns.x|tojson }}",
    "blocks": "{% set x %}aaaaaaaaaa{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "format": "{{ '%1000000000d' % 1 }}",
    "format of a given width": "{{ '%*d' % (1000000000, 1) }}",
    "str.format": "{{ '{:>1000000000}'.format(1) }}",
    "str.format of a given width": "{{ '{:>{w}}'.format(1, w=1000000000) }}",
    "replace": BIG + "{{ x.replace('a', x) }}",
    "replace filter": BIG + "{{ x|replace('a', x) }}",
    "join": BIG + "{{ range(99999)|join(x) }}",
    "join method": BIG + "{{ x.join(['a'] * 100000) }}",
    "translate": BIG + "{{ x.translate({97: x}) }}",
    "wordwrap": BIG + "{{ x|wordwrap(1, wrapstring=x) }}",
    "wordwrap of much": BIG + "{{ x|wordwrap(1) }}",
    "urlize of much": BIG + "{{ x|urlize }}",
    "flat lists added to themselves": doubling("[0]", "ns.x + ns.x"),
    "indent": "{{ ('a\n' * 1000000)|indent(1000000) }}",
    "tojson": "{{ [[1]]|tojson(indent=1000000000) }}",
    "batch": "{{ [1]|batch(1000000000, 0)|list }}",
    "slice": "{{ [1]|slice(1000000000)|list }}",
    "round": "{{ 1.5|round(1000000000) }}",
    "lists": "{% for a in range(99999) %}{{ range(99999)|list|length }}{% endfor %}",
}


@pytest.mark.parametrize("source", STEPS.values(), ids=STEPS)
def test_a_template_that_runs_on_is_stopped(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered, "MOST_STEPS", 2000)
    with pytest.raises(ModelError, match=r"chat template of some/base, line 1: .*more than 2,000 steps\n  fix: "):
        bind(source, name="some/base")(ASK, prompt=False)


@pytest.mark.parametrize("source", SIZES.values(), ids=SIZES)
def test_a_template_that_grows_is_stopped_before_it_does(source: str) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    with pytest.raises(ModelError, match="chat template of some/base, line .*takes too much") as error:
        bind("\n" + source, name="some/base")(ASK, prompt=False)
    assert "MemoryError" not in str(error.value)
    assert time.thread_time() - began < 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # kilobytes


def test_the_clock_stops_what_steps_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered, "MOST_SECONDS", 0.05)
    source = "{% set x = 'a' * 9999999 %}{% for a in range(99999) %}{{ 'b' in x }}{% endfor %}"
    with pytest.raises(ModelError, match="more than 0.05 seconds"):
        bind(source)(ASK, prompt=False)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}", "RecursionError"),
        ("{% for a in [1] %}" * 40 + "{% endfor %}" * 40, "too many statically nested blocks"),
        ("{{ " + "9" * 5000 + " }}", "4300 digits"),
        ("x" * 2_000_000, "longer than 1,048,576 characters"),
    ],
)
def test_a_template_that_cannot_be_compiled_is_one_error(source: str, word: str) -> None:
    with pytest.raises(ModelError, match=word) as error:
        bind(source, name="some/base")
    assert "chat template of some/base" in str(error.value) and "fix" in str(error.value)


def test_what_a_template_does_wrong_with_a_conversation_is_the_conversations_refusal() -> None:
    with pytest.raises(TemplateRaised, match="ZeroDivisionError"):
        bind("{{ 1 / 0 }}")(ASK, prompt=False)


def test_long_conversations_may_cost_more() -> None:
    body = "{% for m in messages %}{% set ns.x = ns.x ~ m.content|trim ~ '\n' %}{% endfor %}"
    source = "{% set ns = namespace(x='') %}" + body + "{{ ns.x }}"
    messages = [{"role": "user", "content": "word " * 200} for _ in range(400)]
    assert len(bind(source)(messages, prompt=False)) == 400 * 1000


def test_each_conversation_is_counted_by_itself() -> None:
    render = bind("{{ 'a' * 6000000 }}")
    assert all(len(render(ASK, prompt=False)) == 6_000_000 for _ in range(3))


def test_older_sandboxes_are_not_allowed() -> None:
    """Before 3.1.6 a template could leave Jinja's sandbox (CVE-2025-27516)."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert "jinja2>=3.1.6,<4" in project["dependencies"]
