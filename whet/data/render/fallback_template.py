"""The chat template for a base that has none: readable headings, and the tokenizer's end token after each answer.

    ### System:
    Be brief.

    ### User:
    What is the capital of France?

    ### Assistant:
    Paris<eos>

White space around a content is trimmed, so that the heading's newline never joins with the answer into one token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN_TEMPLATE = """\
{%- if tools %}{{ '### Tools:\\n' + (tools | tojson) + '\\n\\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role not in ['system', 'developer', 'user', 'assistant', 'tool'] %}
{{- raise_exception('unknown role ' + message.role) }}
{%- endif %}
{{- '### ' + (message.role | capitalize) + ':\\n' }}
{%- if message.reasoning_content %}{{ '<think>' + (message.reasoning_content | trim) + '</think>' }}{% endif %}
{%- if message.content is string %}{{ message.content | trim }}
{%- else %}{% for part in message.content or [] %}{{ part.text }}{% endfor %}{% endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>' + ((call.function or call) | tojson) + '</tool_call>' }}
{%- endfor %}
{%- if message.role == 'assistant' %}{{ eos_token }}{% endif %}
{{- '\\n\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '### Assistant:\\n' }}{% endif %}"""


def choose_template(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The tokenizer's own templates by name ('default', 'tool_use'), or the plain one.

    Raises ModelError when there are only templates of other names, or when the plain one has no end token to use.
    """
    own = tokenizer.chat_template
    if isinstance(own, str) and own:
        return {"default": own}
    if own:
        if "default" not in own:
            raise ModelError("the tokenizer has chat templates, but none called 'default'", value=sorted(own))
        return {name: own[name] for name in ("default", "tool_use") if name in own}
    if not tokenizer.eos_token:
        raise ModelError(
            "the tokenizer has neither a chat template nor an end token, so no answer could ever end",
            fix="set eos_token in tokenizer_config.json, or use another base",
        )

    adds_bos = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    return {"default": ("{{ bos_token }}" if adds_bos else "") + PLAIN_TEMPLATE}
