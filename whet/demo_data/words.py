"""The words of the demo's messages. Slots: {product}, {number}, {problem}."""

from __future__ import annotations

PRODUCTS = [
    "Kestrel 300 headphones", "Orrin kettle", "Alder desk lamp", "Sparrow backpack", "Tarn 2 rain jacket",
    "Juniper blender", "Fennel chair", "Harbour clock", "Mistral 45 fan", "Bramble mug set",
    "Quill keyboard", "Vesper speaker", "Nimbus 7 router", "Corvid camera", "Pebble toaster",
    "Larch bookshelf", "Osprey tent", "Willow blanket", "Tangent 12 tablet", "Saffron pan",
    "Drift scooter", "Hazel rug", "Polar 80 freezer", "Lumen torch", "Ember heater",
    "Raven monitor", "Cobalt drill", "Clover stroller", "Summit 5 boots", "Thistle vacuum",
]  # fmt: skip

INTENTS: dict[str, list[str]] = {
    "refund": [
        "I would like my money back for the {product}{order}",
        "please refund the {product} I bought{order}",
        "I returned the {product}{order} and still wait for my refund",
        "the {product}{order} is not for me, I want a refund",
        "how do I get my money back for the {product}{order}",
    ],
    "late_delivery": [
        "my {product}{order} has still not arrived",
        "where is the {product} I ordered{order}, it was due last week",
        "the delivery of my {product}{order} is late",
        "I am still waiting for the {product}{order} to arrive",
        "the tracking page for the {product}{order} has not moved for days",
    ],
    "damaged_item": [
        "the {product}{order} arrived broken",
        "my {product}{order} came with a big crack in it",
        "when I opened the box the {product}{order} was damaged",
        "the {product}{order} was smashed when the courier left it here",
        "there are deep scratches all over the new {product}{order}",
    ],
    "wrong_item": [
        "I ordered the {product}{order} but got something else",
        "you sent me the wrong thing instead of the {product}{order}",
        "the parcel that should hold the {product}{order} holds a different item",
        "this is not the {product} I ordered{order}, you mixed it up",
        "someone packed another item in place of the {product}{order}",
    ],
    "cancel_order": [
        "please cancel the {product}{order}",
        "I changed my mind, cancel my order of the {product}{order}",
        "do not send the {product}{order}, I want to cancel it",
        "can you stop the order of the {product}{order} before it ships",
        "I ordered the {product} twice, please cancel one{order}",
    ],
    "change_address": [
        "please send the {product}{order} to my new address",
        "I moved house, can you change the address for the {product}{order}",
        "the address for the {product}{order} is wrong, I need to change it",
        "could the {product}{order} be delivered to my office address instead",
        "I gave an old address for the {product}{order}, please update it",
    ],
    "invoice_copy": [
        "I need a copy of the invoice for the {product}{order}",
        "could you send me the invoice for the {product}{order} again",
        "my accountant wants the invoice of the {product}{order}",
        "I lost the bill for the {product}{order}, please send a copy",
        "there was no invoice in the box with the {product}{order}",
    ],
    "technical_help": [
        "I can not get the {product}{order} to work, how do I set it up",
        "how do I reset the {product}{order}",
        "the {product}{order} does not switch on, what should I try",
        "the manual of the {product}{order} does not say how to put it together",
        "which settings does the {product}{order} need, I am stuck at the first step",
    ],
}

ORDER_INSIDE = [" (order {number})", ", order {number},", " from order {number}", ", order no. {number},"]
ORDER_APART = [
    "My order number is {number}.", "The order number is {number}.", "It is order {number}.",
    "Order {number}.", "Reference: order {number}.", "You will find it under order number {number}.",
]  # fmt: skip
NO_ORDER = ["", "", "I can not find the order number.", "I do not have the order number at hand."]

URGENT = [
    "This is urgent.", "Please answer today.", "I need this solved immediately.", "It can not wait, so please hurry.",
    "I need an answer as soon as possible.",
]  # fmt: skip
RELAXED = [
    "There is no hurry.", "Take your time.", "No rush at all.", "It is not urgent.",
    "Whenever you have a moment is fine.",
]  # fmt: skip

GREETINGS = ["Hello,", "Hi there,", "Good morning,", "Dear team,", "Hey,", "Hi,", "To whom it may concern,", "", ""]
CLOSINGS = ["Thanks!", "Thank you.", "Best wishes, {name}", "Kind regards, {name}", "Cheers, {name}", "{name}", "", ""]
NAMES = ["Ana", "Tom", "Mrs. Okafor", "J. Lindgren", "Priya", "Luca", "Mia Chen", "Omar", "Sofie", "Mr. Brandt"]

DISTRACTORS = [
    "I paid {price} for it.", "I bought it on {date}.", "You can reach me on {phone}.", "I ordered {count} of them.",
    "It was on offer for {price}.", "I have been a customer since {year}.", "My phone number is {phone}.",
    "Your colleague called me on {date}.", "It took {count} days last time.",
]  # fmt: skip
PADDING = [
    "I hope you can help me with this.", "I already looked on your website.", "My neighbour recommended your shop.",
    "I wrote about this before but got no answer.", "Please let me know what to do next.",
    "It is a present for my sister.", "I tried to call but nobody answered.", "I usually like your shop a lot.",
]  # fmt: skip
OTHER_PRODUCT = [
    "I also have the {other} and it works fine.", "By the way, the {other} I bought last year is great.",
    "The {other} from you never gave me any trouble.",
]  # fmt: skip
