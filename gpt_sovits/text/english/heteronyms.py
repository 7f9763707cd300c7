"""English words with one spelling and two pronunciations, chosen by the words beside them.

`sounds_in_context` returns the pronunciation where the table below knows the word, and None elsewhere. The rules are
this project's own. They look at the nearest words only, so a sentence that needs its meaning may be read wrongly.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Heteronym:
    """Two pronunciations of a word and the neighbours that ask for the second one.

    Attributes:
        usual: The pronunciation without evidence.
        other: The pronunciation that the neighbours below ask for.
        before: Words directly before it.
        after: Words directly after it.
        not_before: Words directly before it that rule the other pronunciation out.
        first_before: Words directly after it that ask for the other pronunciation at the start of a sentence.
    """

    usual: str
    other: str
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    not_before: frozenset[str] = frozenset()
    first_before: frozenset[str] = frozenset()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODALS = _words(
    "to will would can could should must may might shall do does did not don't doesn't didn't won't can't "
    "cannot couldn't wouldn't shouldn't please let's i we they you i'll we'll they'll you'll"
)
DETERMINERS = _words(
    "the a an this that these those my your his her its our their no any some each every one another "
    "much more of for in with whose"
)
OBJECTS = DETERMINERS - _words("of for in with no whose") | _words("it them all both me us him")


def _noun_and_verb(noun: str, verb: str) -> Heteronym:
    return Heteronym(noun, verb, before=MODALS, first_before=OBJECTS)


HETERONYMS = {
    "read": Heteronym(
        "R IY1 D",
        "R EH1 D",
        before=_words(
            "have has had having i've we've they've you've he's was were been be being "
            "is are get got he she it just already never ever also widely"
        ),
    ),
    "live": Heteronym(
        "L IH1 V",
        "L AY1 V",
        before=_words("the a go goes went going broadcast performed recorded streamed sang"),
        after=_words(
            "music show shows concert concerts broadcast band audience stream streams streaming tv television "
            "coverage performance event events album wire ammunition bait chat feed video action blog updates "
            "version recording sports demo"
        ),
    ),
    "lives": Heteronym(
        "L IH1 V Z",
        "L AY1 V Z",
        before=_words(
            "their our your my many human people's lost save saved saving saves "
            "several nine own both whole daily of past other these those more all the two three private real busy no"
        ),
    ),
    "wind": Heteronym(
        "W IH1 N D",
        "W AY1 N D",
        before=_words("to will would can could must"),
        after=_words("up down around through back its it them"),
        not_before=DETERMINERS | _words("strong cold north"),
    ),
    "tear": Heteronym(
        "T EH1 R", "T IH1 R", before=_words("a one single each every another"), not_before=_words("to will not")
    ),
    "close": Heteronym(
        "K L OW1 S",
        "K L OW1 Z",
        before=_words("will would can could must should may might not don't didn't won't can't please let's"),
        after=_words("the your it my his her its our their this that all down"),
        not_before=_words("is was are were so very too as get got come came stay how be this near"),
    ),
    "use": Heteronym(
        "Y UW1 Z",
        "Y UW1 S",
        before=DETERMINERS - _words("that these those one each")
        | _words("little good daily heavy fair drug land water public common personal into first single make best"),
        after=_words("of"),
    ),
    "lead": Heteronym(
        "L IY1 D",
        "L EH1 D",
        before=_words("of like molten"),
        after=_words("pipe pipes paint poisoning acid bullet bullets pencil free mine mines weight"),
    ),
    "minute": Heteronym(
        "M IH1 N AH0 T", "M AY0 N UW1 T", after=_words("detail details amount amounts traces particles differences")
    ),
    "content": Heteronym(
        "K AA1 N T EH0 N T",
        "K AH0 N T EH1 N T",
        before=_words(
            "am is are was were be been feel feels felt seem seems "
            "quite very perfectly i'm he's she's they're we're you're"
        ),
    ),
    "wound": Heteronym(
        "W UW1 N D", "W AW1 N D", after=_words("up down around through tightly"), not_before=DETERMINERS
    ),
    "excuse": Heteronym("IH0 K S K Y UW1 Z", "IH0 K S K Y UW1 S", before=DETERMINERS),
    "record": _noun_and_verb("R EH1 K ER0 D", "R AH0 K AO1 R D"),
    "present": _noun_and_verb("P R EH1 Z AH0 N T", "P R IY0 Z EH1 N T"),
    "object": _noun_and_verb("AA1 B JH EH0 K T", "AH0 B JH EH1 K T"),
    "import": _noun_and_verb("IH1 M P AO2 R T", "IH2 M P AO1 R T"),
    "export": _noun_and_verb("EH1 K S P AO0 R T", "IH0 K S P AO1 R T"),
    "permit": _noun_and_verb("P ER1 M IH2 T", "P ER0 M IH1 T"),
    "project": _noun_and_verb("P R AA1 JH EH0 K T", "P R AH0 JH EH1 K T"),
    "protest": _noun_and_verb("P R OW1 T EH2 S T", "P R AH0 T EH1 S T"),
    "contract": _noun_and_verb("K AA1 N T R AE2 K T", "K AH0 N T R AE1 K T"),
    "conduct": _noun_and_verb("K AA1 N D AH0 K T", "K AH0 N D AH1 K T"),
    "refuse": Heteronym("R AH0 F Y UW1 Z", "R EH1 F Y UW2 Z", after=_words("bin bins collection collectors")),
}


def sounds_in_context(tokens: list[str], i: int) -> list[str] | None:
    """Return the symbols of tokens[i] if it is a heteronym, else None.

    Args:
        tokens: The words and marks of a text.
        i: The position of the word.
    """
    heteronym = HETERONYMS.get(tokens[i].lower())
    if heteronym is None:
        return None
    before = tokens[i - 1].lower() if i else ""
    after = tokens[i + 1].lower() if i + 1 < len(tokens) else ""
    starts = not before[:1].isalpha()
    other = before in heteronym.before or (after in heteronym.after and before not in heteronym.not_before)
    other = (other and before not in heteronym.not_before) or (starts and after in heteronym.first_before)
    return (heteronym.other if other else heteronym.usual).split()
