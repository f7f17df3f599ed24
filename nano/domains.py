"""The everyday domains of the JSON tasks: what people write about, and what can be taken from it."""

from typing import NamedTuple

from nano import words as w
from nano.message_fields import (
    BOOK,
    CITY,
    COLOUR,
    DATE,
    DAY,
    DISH,
    MAIL,
    NAME,
    PET,
    PHONE,
    PRICE,
    RECEIVER,
    ROOM_PLACE,
    SUBJECT,
    TARGET,
    TEAM_A,
    THING,
    TIME,
    Field,
    counted,
    numbered,
    room_number,
)
from nano.message_labels import MOOD, PRIORITY, SKY, Label, kinds
from nano.words import between, pick


class Domain(NamedTuple):
    name: str
    fields: tuple[Field, ...]
    labels: tuple[Label, ...]


DOMAINS = (
    Domain(
        "library",
        (NAME, numbered("card number", ("card", "card_number", "library_card")), BOOK, DATE, CITY, PHONE),
        (
            PRIORITY,
            kinds(
                "kind request action type",
                "what the reader wants",
                loan="I would like to borrow it|can I take it home|please put it aside for me|I want to read it next",
                **{
                    "return": (
                        "I want to bring it back|I have read it and will return it|"
                        "I put it in the return box|here it is back"
                    )
                },
                renew="may I keep it longer|can you give me two more weeks|I have not finished it yet|please renew it",
                lost="I cannot find it any more|I lost it|it is gone, I think I left it on the bus",
            ),
        ),
    ),
    Domain(
        "hotel",
        (
            NAME,
            numbered("room number", ("room", "room_number"), room_number),
            numbered("booking", ("booking", "booking_code", "reservation")),
            counted("nights", ("nights", "stay"), "nights"),
            counted("guests", ("guests", "people", "persons"), "people"),
            DATE,
            MAIL,
        ),
        (
            MOOD,
            kinds(
                "request topic kind",
                "the kind of request",
                book="I want to reserve a room|do you have a free bed|we would like to stay with you|"
                "please keep a room for us",
                cancel="we cannot come any more|please cancel it|we have to stay at home|the trip is off",
                clean="the room is dirty|please clean the bath|there is dust under the bed|we need fresh towels",
                noise="it is too loud at night|we cannot sleep because of the music|"
                "the people next door shout|there is noise all night",
            ),
        ),
    ),
    Domain(
        "repair",
        (NAME, THING, numbered("job number", ("job", "job_number", "repair_code")), CITY, PRICE, PHONE, DAY),
        (
            PRIORITY,
            kinds(
                "problem fault damage",
                "what is broken",
                leak="water drips out of it|it is leaking|there is a puddle below it|it loses water",
                noise="it makes a strange sound|it is very loud|it hums and rattles",
                power="it does not switch on|it is dead, no light at all|there is no power|it goes off after a minute",
                crack="there is a crack in it|the glass broke|it has a hole|it fell and split",
            ),
        ),
    ),
    Domain(
        "parcel",
        (NAME, RECEIVER, numbered("parcel number", ("parcel", "parcel_number", "tracking")), CITY, THING, COLOUR),
        (
            PRIORITY,
            kinds(
                "status state event",
                "what happened to the parcel",
                sent="I have sent it off|it left our village this morning|it is on its way",
                arrived="it has arrived|it came today|the postman brought it",
                late="it should have been here long ago|I am still waiting for it|it is late",
                damaged="the box was crushed|it came broken|the corner is torn open",
            ),
        ),
    ),
    Domain(
        "school",
        (
            NAME,
            SUBJECT,
            numbered("class", ("class", "group"), lambda rng: f"{between(rng, 1, 12)}{pick(rng, 'abcd')}"),
            DATE,
            DAY,
            numbered("room", ("room",), room_number),
        ),
        (
            kinds(
                "note kind type",
                "the kind of note",
                absence="my child is ill and stays in bed|we have a cold and cannot come|he has a fever today",
                praise="the lesson was great|you teach so well|my child learned a lot",
                complaint="the homework is too much|the marks are not fair|I do not agree with the test",
                question="can you tell me what to learn|which book do we need|when is the next meeting",
            ),
        ),
    ),
    Domain(
        "recipe",
        (
            DISH,
            NAME,
            counted("minutes", ("minutes", "duration"), "minutes", lambda rng: str(between(rng, 2, 18) * 5)),
            counted("eggs", ("eggs",), "eggs"),
            counted("people", ("serves", "people"), "people"),
        ),
        (
            MOOD,
            kinds(
                "taste flavour",
                "how it tastes",
                sweet="it is full of sugar|it tastes like honey|sweet as candy",
                salty="there is a lot of salt in it|it tastes salty",
                sour="it is sour like lemon|it made my mouth pull together",
                hot="it burns on the tongue|there is much chili in it|very spicy",
            ),
        ),
    ),
    Domain(
        "weather",
        (
            CITY,
            DATE,
            counted("degrees", ("degrees", "temperature"), "degrees", lambda rng: str(between(rng, 2, 38))),
            DAY,
            NAME,
        ),
        (SKY, MOOD),
    ),
    Domain(
        "travel",
        (
            NAME,
            TARGET,
            numbered("ticket", ("ticket", "ticket_number", "booking_code")),
            DATE,
            TIME,
            counted("seats", ("seats", "tickets"), "seats"),
            PRICE,
        ),
        (
            PRIORITY,
            kinds(
                "vehicle transport by",
                "how the person travels",
                train="we take the train|at the railway station|our carriage is near the engine",
                plane="we fly|at the airport|the flight is long",
                bus="we go by bus|the coach stops at the church",
                ship="we sail across the sea|on board of the ferry|the ship leaves the harbour",
            ),
        ),
    ),
    Domain(
        "sport",
        (
            TEAM_A,
            NAME,
            counted("goals", ("goals", "points"), "goals"),
            DATE,
            CITY,
            counted("fans", ("fans", "visitors", "spectators"), "fans", lambda rng: w.digits(rng, 4)),
        ),
        (
            MOOD,
            kinds(
                "result outcome",
                "how the match ended",
                won="we won|the cup is ours|we beat them|victory at last",
                lost="we lost|they were better than us|we were beaten",
                drawn="it ended in a draw|nobody won|both had the same score",
            ),
            kinds(
                "sport game discipline",
                "which sport it is",
                football="the striker kicked the ball into the net|the keeper held the ball",
                tennis="the serve hit the racket|she won the set",
                swimming="the lanes in the pool were full|they dived into the water",
                running="the runners reached the finish|the marathon was long",
            ),
        ),
    ),
    Domain(
        "diary",
        (NAME, ROOM_PLACE, DATE, RECEIVER, PET),
        (
            MOOD,
            kinds(
                "topic theme about",
                "the topic",
                family="my sister and my parents were here|grandmother told us stories|my brother visited me",
                work="my boss gave me a new task|the office was full|I had three meetings",
                garden="I planted roses|the tomatoes grow well|I cut the grass",
                health="I saw the doctor|my back hurts|I take my pills",
            ),
        ),
    ),
    Domain(
        "lost",
        (NAME, THING, COLOUR, ROOM_PLACE, numbered("locker", ("locker", "box", "shelf")), PHONE, DAY),
        (
            kinds(
                "status kind report",
                "lost or found",
                lost="I have lost it|I cannot find it anywhere|it is missing since yesterday|has anybody seen it",
                found="I found it|it was lying on the ground|somebody left it here|I picked it up",
            ),
            PRIORITY,
        ),
    ),
    Domain(
        "vet",
        (NAME, PET, numbered("file", ("file", "file_number", "record")), DAY, TIME, PHONE),
        (
            PRIORITY,
            kinds(
                "reason visit cause",
                "the reason of the visit",
                injury="it hurt its leg|it is bleeding|it fell from the roof",
                vaccine="it needs its yearly shot|we want the vaccination",
                food="it does not eat|it left its bowl full",
                checkup="only a check, it is healthy|we want a routine look",
            ),
        ),
    ),
    Domain(
        "club",
        (
            NAME,
            numbered("member number", ("member", "member_number", "membership")),
            CITY,
            MAIL,
            counted("years", ("years", "age"), "years"),
            PRICE,
        ),
        (
            kinds(
                "action request wish",
                "what the member wants",
                join="I want to become a member|please sign me up|I would love to join",
                leave="I want to leave the club|please end my membership|I quit",
                pay="I have paid the fee|the money is on its way|here is my payment",
                change="my address is new|please change my data|I have moved to another street",
            ),
            MOOD,
        ),
    ),
    Domain(
        "market",
        (
            NAME,
            THING,
            PRICE,
            counted("pieces", ("quantity", "pieces", "count"), "pieces"),
            COLOUR,
            numbered("stall", ("stall", "stand", "place")),
        ),
        (
            kinds(
                "deal kind offer",
                "what kind of note",
                sell="I want to sell it|for sale, good price|I offer it to you",
                buy="I want to buy it|I am looking for one like it|who has one for me",
                swap="I would swap it|I trade it for something else",
                gift="I give it away|it is free, come and take it",
            ),
            MOOD,
        ),
    ),
    Domain(
        "house",
        (NAME, numbered("flat", ("flat", "apartment", "unit")), ROOM_PLACE, DAY, TIME, PHONE),
        (
            PRIORITY,
            kinds(
                "topic matter area",
                "what it is about",
                heating="it is cold in here, the heater is off|the radiators stay cold",
                rent="I sent the rent|about this month's rent",
                keys="I lost my keys|the lock is stuck|I need a second key",
                neighbours="the people upstairs are loud|my neighbour parks in my place",
            ),
        ),
    ),
    Domain(
        "museum",
        (
            NAME,
            numbered("pass", ("pass", "pass_code", "entry")),
            counted("children", ("children", "kids"), "children"),
            DATE,
            TIME,
            MAIL,
        ),
        (
            kinds(
                "tour interest section",
                "which part they want to see",
                paintings="we want to see the pictures|the portraits on the first floor",
                dinosaurs="the children love the big bones|we look for the dinosaurs",
                coins="the old money is what we like|show us the coins",
                machines="the steam engines please|we love old machines",
            ),
            MOOD,
        ),
    ),
)
