"""Text as businesses write it: sentences of words in their usual frequencies, with numbers; the same for a seed."""

import random
from itertools import accumulate

_WORDS = (  # noqa: SIM905 - words are read as words
    "the invoice of for and delivery order customer to is we with your please payment in on has been goods price "
    "warehouse unit product date quantity terms days net amount supplier contract offer reminder shipped received "
    "confirm attached address account tax total discount partner purchase sale return credit note bank transfer due "
    "project meeting task report machine spare part steel screw cable printer paper office chair desk lamp service "
    "hour travel cost margin stock batch serial lot expiry carrier parcel pallet truck customs import export invoice"
).split()
_INVENTED = 6000
_SENTENCES = 20_000
_SYLLABLES = ("ba", "ne", "tor", "mi", "sal", "ver", "ko", "lin", "da", "gra", "pel", "us", "en", "ti", "ran", "ol")


class Sentences:
    """A supply of sentences, made from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same data each time is what is wanted
        words = [*_WORDS, *(self._invented() for _ in range(_INVENTED))]
        weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
        self._pool = [
            " ".join(self.random.choices(words, cum_weights=weights, k=self.random.randint(5, 16))).capitalize()
            for _ in range(_SENTENCES)
        ]

    def _invented(self) -> str:
        return "".join(self.random.choices(_SYLLABLES, k=self.random.randint(2, 4)))

    def one(self) -> str:
        """One sentence."""
        return self.random.choice(self._pool)

    def some(self, most: int) -> str:
        """One to `most` sentences, each with a number that hardly any other has."""
        number = self.random.randrange
        chosen = self.random.choices(self._pool, k=number(most) + 1)
        return " ".join(f"{sentence} {number(1_000_000)}." for sentence in chosen)

    def bytes(self, count: int) -> bytes:
        """So many bytes of text."""
        parts: list[str] = []
        length = 0
        while length < count:
            text = self.some(12)
            parts.append(text)
            length += len(text) + 1
        return "\n".join(parts).encode()[:count]
