"""Text to copy: how each consumer opens a released folder. {folder} stands where its path belongs, {base} where its
base does."""

from __future__ import annotations

from whet.release.tuned import Tuned

ASK = """\
ids = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=64)[0, ids["input_ids"].shape[1]:]))
"""
CONTINUE = """\
ids = tokenizer("Once", return_tensors="pt")
print(tokenizer.decode(model.generate(**ids, max_new_tokens=64)[0]))
"""
SCORE = """\
ids = tokenizer("a text", return_tensors="pt")
print(model(**ids).logits)
"""


def peft_code(model: Tuned) -> str:
    """PEFT does not read where to stop by itself: the folder's generation_config.json says it."""
    more, names = "", "AutoModelForCausalLM, AutoTokenizer, GenerationConfig"
    if model.quantised:
        names = "AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig"
        more = (
            ", quantization_config=BitsAndBytesConfig(\n"
            f'    load_in_4bit=True, bnb_4bit_quant_type="{model.quantised}", bnb_4bit_use_double_quant=True, '
            f'bnb_4bit_compute_dtype="{model.dtype}"\n)'
        )

    return (
        f"from peft import PeftModel\nfrom transformers import {names}\n\n"
        'tokenizer = AutoTokenizer.from_pretrained("{folder}")\n'
        f'base = AutoModelForCausalLM.from_pretrained("{{base}}", dtype="{model.dtype}"{more})\n'
        'model = PeftModel.from_pretrained(base, "{folder}")\n'
        'model.generation_config = GenerationConfig.from_pretrained("{folder}")\n' + asking(model)
    )


def transformers_code(model: Tuned, dtype: str) -> str:
    if model.has_head:
        kind = "AutoModelForSequenceClassification"
    else:
        kind = "AutoModelForCausalLM"

    return (
        f"from transformers import {kind}, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained("{folder}")\n'
        f'model = {kind}.from_pretrained("{{folder}}", dtype="{dtype}")\n' + asking(model)
    )


def asking(model: Tuned) -> str:
    """The first question to a model of its kind."""
    if model.has_head:
        return SCORE
    if model.facts["golden_ids"]:
        return ASK
    return CONTINUE
