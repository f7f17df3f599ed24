"""Turns in an order that no conversation has: two questions without an answer between them, a system prompt inside.

Why: a base knows its own order of turns from millions of conversations, and chat templates hold to it; what comes in
another order is read as something else than it was meant (Jiang et al. 2024, arXiv 2406.12935), and some templates
refuse it outright. Two user turns in a row are mostly an answer that was lost.

Example:
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Are you there?"},
                  {"role": "assistant", "content": "Yes."}]}

Fix: put the lost turn back, or join the two into one. `--fix` leaves the rows out.

Sure: yes. Chats in which people send two messages in a row are like that by nature: --skip role-order, or join them.
"""

from __future__ import annotations

from itertools import pairwise

from whet.doctor.text_checks import ExampleCheck, excerpt
from whet.types import Message, Row

FIRST = ("system", "developer", "functions")
FOLLOWERS = {
    **dict.fromkeys(FIRST, (*FIRST, "user")),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}


class RoleOrder(ExampleCheck):
    code = "role-order"
    severity = "warning"
    says = "has|have turns in an order that no conversation has"
    remedy = (
        "put the lost turns back, join what belongs together, or leave the rows out: whet check DATA --fix OUT.jsonl"
    )

    def inspect(self, row: Row) -> str | None:
        return disorder(row.messages) or disorder(row.rejected or [])

    def drops(self) -> list[int]:
        return self.rows


def disorder(messages: list[Message]) -> str | None:
    """The first two turns that do not follow each other."""
    roles = [message["role"] for message in messages]
    if roles and roles[0] not in (*FIRST, "user"):
        return f"it begins with {roles[0]}"
    if roles and roles[-1] not in ("assistant", "tool") and "assistant" in roles:
        return f"it ends with {roles[-1]}: {excerpt(str(messages[-1].get('content')), 0, 0)}"

    for number, (one, other) in enumerate(pairwise(roles), start=2):
        if other not in FOLLOWERS.get(one, ("assistant",)):
            return f"message {number}: {other} after {one}"

    return None
