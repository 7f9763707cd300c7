"""Everyday sentences, made from a small grammar, so that a base hears more than old books.

Every rule is a list of choices. A choice is text in which {name} stands for another rule. Sentences are drawn without
repetition from a seeded generator: statements, questions, requests, numbers in words, and long sentences with commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

_SLOT = re.compile(r"\{(\w+)\}")

RULES: dict[str, tuple[str, ...]] = {
    "sentence": (
        "{statement}.",
        "{statement}.",
        "{statement}, {linker} {statement_low}.",
        "{opener}, {statement_low}.",
        "{question}?",
        "{question}?",
        "{request}.",
        "{request}, {linker} {statement_low}.",
        "{number_line}.",
        "{number_line}.",
        "If {statement_low}, {statement_low}.",
        "When {statement_low}, {request_low}.",
        "{opener}, {statement_low}, {linker} {statement_low}.",
        "{short}",
    ),
    "statement": (
        "{Person} {past} the {thing} {place}",
        "{Person} {past} {count} {things} {time}",
        "The {thing} {place} is {quality}",
        "The {adjective} {thing} was {quality} {time}",
        "{Person} {verb_with} {other} {time}",
        "There is {amount} {stuff} {place}",
        "Nobody {past} the {adjective} {thing}",
        "My {relative} used to {habit} {often}",
        "Our {relative} {past} the {thing} {time}",
        "It was {weather} {time}",
        "We {habit} {often}",
        "They {past} a {adjective} {thing} for {other}",
    ),
    "statement_low": (
        "he {past} the {thing} {place}",
        "she {past} {count} {things}",
        "the {thing} was {quality}",
        "we {habit} {often}",
        "they {verb_with} {other}",
        "nobody {past} the {thing}",
        "it was {weather}",
        "my {relative} used to {habit}",
        "you {past} the wrong {thing}",
    ),
    "question": (
        "Who {past} the {adjective} {thing}",
        "Did you {base} the {thing} {time}",
        "Why is the {thing} so {quality}",
        "Where did {other} {base} the {thing}",
        "Would your {relative} {base} {count} {things}",
        "How many {things} did they {base} {time}",
        "Can you {base} the {thing} {place}",
        "Is the {thing} {place}, or did somebody {base} it",
        "Which {thing} did you {base}, the {adjective} one or the {adjective} one",
        "Could we {base} the {thing} {time}",
        "What happened to the {adjective} {thing} {place}",
    ),
    "request": (
        "Please {base} the {thing} {place}",
        "Take the {adjective} {thing} to {other}",
        "Do not {base} the {thing} {time}",
        "Ask {other} about the {thing}",
        "Bring {count} {things}, please",
        "Let us {base} the {thing} before it is {weather}",
        "Remember to {base} the {thing}",
    ),
    "request_low": (
        "please {base} the {thing}",
        "take {count} {things} with you",
        "ask {other} about the {adjective} {thing}",
        "do not {base} anything",
        "wait {place}",
    ),
    "number_line": (
        "The {thing} costs {tens} {units} euros and {tens} cents",
        "Call {digit} {digit} {digit}, {digit} {digit}, {digit} {digit}, and ask for {other}",
        "The bus leaves at {hour} {tens} {units} from platform {digit}",
        "On the {ordinal} of {month}, {other} {past} {count} {things}",
        "Room {digit} {digit} {digit} is on the {ordinal} floor",
        "About {tens} percent of the {things} were {quality}",
        "{Person} was born in nineteen {tens} {units}",
        "It takes {count} hours and {tens} minutes by {vehicle}",
        "Add {count} spoons of {stuff}, then stir for {tens} {units} seconds",
        "The score was {digit} to {digit} after {tens} minutes",
        "Page {tens} {units} says that {statement_low}",
    ),
    "short": (
        "Thank you very much.",
        "Not {time}.",
        "Good {day_part}, {name}.",
        "Where is {name}?",
        "What a {adjective} {thing}!",
        "Yes, {time}.",
        "No, the {adjective} one.",
        "Good luck {time}!",
        "Sorry, which {thing}?",
        "Of course, {name}.",
    ),
    "opener": (
        "To be honest", "Last of all", "As far as I know", "By the way", "Of course", "Luckily", "In the end",
        "At first", "After the storm", "Before the meeting", "On the way home", "Without a doubt", "Well",
        "Yesterday", "This time",
    ),
    "linker": ("but", "and", "so", "because", "although", "while", "since", "and then"),
    "Person": (
        "{name}", "My {relative}", "The {worker}", "The young {worker}", "Everybody", "She", "He", "Our neighbour",
        "The old {worker}", "One of the children",
    ),
    "other": (
        "{name}", "the {worker}", "my {relative}", "the neighbours", "everyone", "the whole family", "somebody else",
        "the other team", "her {relative}",
    ),
    "name": (
        "Anna", "Peter", "Maria", "Thomas", "Julia", "Oliver", "Sarah", "Victor", "Rachel", "Hugo", "Joyce", "George",
        "Beth", "Yusuf", "Theo", "Charlotte", "Ruth", "Walter", "Zoe", "Nathan",
    ),
    "relative": ("brother", "sister", "mother", "father", "cousin", "uncle", "aunt", "grandfather", "daughter", "son"),
    "worker": (
        "teacher", "doctor", "driver", "baker", "nurse", "farmer", "judge", "engineer", "painter", "guard", "waiter",
        "singer", "plumber", "clerk", "pilot", "author",
    ),
    "past": (
        "found", "lost", "bought", "sold", "carried", "moved", "washed", "forgot", "painted", "repaired", "measured",
        "borrowed", "returned", "ordered", "watched", "finished", "shared", "touched", "chose", "noticed", "enjoyed",
        "broke", "checked", "hid", "brought", "dropped",
    ),
    "base": (
        "find", "lose", "buy", "sell", "carry", "move", "wash", "forget", "paint", "repair", "measure", "borrow",
        "return", "order", "watch", "finish", "share", "touch", "choose", "notice", "enjoy", "break", "check", "hide",
        "bring", "use",
    ),
    "verb_with": (
        "spoke with", "laughed with", "played chess with", "worked with", "had lunch with", "argued with", "sang for",
        "waited for", "cooked for", "wrote to", "listened to", "looked after", "went out with", "agreed with",
    ),
    "habit": (
        "drink tea", "read the paper", "go for a walk", "take the train", "cook together", "watch the birds",
        "listen to the radio", "play outside", "visit the market", "water the plants", "clean the house", "pay by card",
        "study law", "bake bread", "swim in the lake", "fix old bikes",
    ),
    "often": (
        "every morning", "on Thursdays", "twice a week", "before breakfast", "after work", "in the winter", "at night",
        "most of the time", "whenever we can", "once a month", "every other day", "during the summer",
    ),
    "thing": (
        "bridge", "kettle", "jacket", "window", "letter", "garden", "engine", "bottle", "picture", "mirror", "basket",
        "ladder", "camera", "blanket", "hammer", "piano", "candle", "carpet", "clock", "drawer", "envelope", "fence",
        "glove", "horse", "island", "journal", "keyboard", "lamp", "machine", "notebook", "oven", "package", "queue",
        "report", "sandwich", "ticket", "umbrella", "village", "wheel", "yacht", "zip", "bath", "bird", "cheese",
        "church", "shirt", "spoon", "thumb", "tooth", "vase", "wardrobe", "treasure", "television", "garage", "photo",
        "key", "door", "boat", "chair", "phone",
    ),
    "things": (
        "apples", "tickets", "books", "chairs", "letters", "eggs", "boxes", "flowers", "questions", "pictures", "shoes",
        "stamps", "cups", "horses", "pages", "coins", "bags", "windows", "messages", "oranges", "potatoes", "matches",
    ),
    "stuff": (
        "water", "milk", "flour", "sugar", "sand", "snow", "paper", "coffee", "rice", "bread", "juice", "oil", "noise",
        "work", "time", "cheese", "salt", "fruit",
    ),
    "amount": ("a little", "some", "plenty of", "not enough", "a lot of", "hardly any", "too much", "half a cup of"),
    "adjective": (
        "small", "heavy", "yellow", "broken", "old", "cheap", "narrow", "wooden", "empty", "quiet", "huge", "strange",
        "warm", "sharp", "thick", "blue", "loud", "fresh", "smooth", "foreign", "usual", "young", "rough", "purple",
        "beautiful", "second", "white", "round", "joyful", "thin",
    ),
    "quality": (
        "too heavy", "almost ready", "very clean", "rather expensive", "good enough", "broken again", "hard to reach",
        "out of order", "as good as new", "larger than ours", "worth the wait", "easy to use", "nowhere to be found",
        "covered with dust", "much better", "full of holes", "quite unusual", "wet through",
    ),
    "place": (
        "in the kitchen", "under the table", "at the station", "near the river", "on the roof", "behind the house",
        "in the car", "beside the church", "at school", "across the street", "by the door", "in the next room",
        "over there", "outside the city", "next to the bank", "on the third floor", "in the garage", "upstairs",
    ),
    "time": (
        "yesterday", "this morning", "last week", "on Monday", "two days ago", "at noon", "tonight", "before dinner",
        "last summer", "in the afternoon", "on Wednesday evening", "just now", "an hour ago", "after the rain", "today",
    ),
    "day_part": ("morning", "evening", "afternoon", "night"),
    "weather": (
        "cold outside", "raining hard", "far too hot", "getting dark", "cloudy", "very windy", "dry and sunny",
        "snowing again", "foggy by the sea", "warmer than usual",
    ),
    "count": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "a dozen"),
    "digit": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero"),
    "units": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "tens": ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
    "hour": ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    "ordinal": ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "twelfth"),
    "month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "vehicle": ("train", "bus", "car", "boat", "bike"),
}  # fmt: skip


def everyday_sentences(seed: int, *, max_characters: int = 200) -> Iterator[str]:
    """Yield distinct sentences without end.

    Args:
        seed: Another seed gives other sentences.
        max_characters: Longer sentences are left out.
    """
    generator = np.random.default_rng(seed)
    seen: set[str] = set()
    while True:
        sentence = _expand("sentence", generator)
        if len(sentence) <= max_characters and sentence not in seen:
            seen.add(sentence)
            yield sentence


def _expand(rule: str, generator: np.random.Generator) -> str:
    choices = RULES[rule]
    chosen = choices[int(generator.integers(len(choices)))]
    return _SLOT.sub(lambda slot: _expand(slot[1], generator), chosen)
