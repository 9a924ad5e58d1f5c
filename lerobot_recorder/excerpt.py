"""Parts of messages: bounded texts from outside, numbers with their nouns, sizes and durations."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

_LONGEST = 200
_LONGEST_NAME = 60
_MOST_NAMES = 8


def excerpt(value: object, longest: int = _LONGEST) -> str:
    """Return a value as text; of a long text only the start and the end, in whole words where it has some.

    Args:
        value: any object
        longest: number of characters to keep
    """
    text = str(value)
    if len(text) <= longest:
        return text
    end, start = longest * 2 // 3, len(text) - (longest - longest * 2 // 3)
    if (blank := text.rfind(" ", end * 2 // 3, end + 1)) > 0:
        end = blank
    is_sentence = text[end] == " "
    if (blank := text.find(" ", start - 1, start + (len(text) - start) // 3)) > 0:
        start = blank + 1
    elif is_sentence:  # it ends with a long word
        return f"{text[: text.rfind(' ', end, longest + 1)]} ..."
    return f"{text[:end]} ... {text[start:]}"


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number with a noun and a verb: ``1 episode waits``, ``2 episodes wait``.

    Args:
        number: how many
        noun: in the singular
        verb: for several, without ``s``
    """
    is_one = number == 1
    words = (str(number), noun if is_one else f"{noun}s", f"{verb}s" if verb and is_one else verb)
    return " ".join(filter(None, words))


def size_of(number: int) -> str:
    """Return a number of bytes with a unit: ``12.3 MB``, ``4 kB``."""
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.{0 if number >= 1e4 else 1}f} kB"


def duration(seconds: float) -> str:
    """Format a duration for people, in seconds, minutes or hours."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def did_you_mean(name: str, names: Collection[str]) -> str:
    """Return the most similar name as the end of a sentence, `` (did you mean 'crf'?)``, or an empty text."""
    similar = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {similar[0]!r}?)" if similar else ""


def tallied(counts: Mapping[str, int]) -> list[str]:
    """Return what happened and how often: ``no joint a in the message (2 times)``."""
    return [f"{what} ({counted(number, 'time')})" for what, number in counts.items()]


def first_sentences(sentences: Sequence[str], longest: int) -> str:
    """Join sentences with semicolons: as many whole ones as fit, and the number of the others.

    Args:
        sentences: any number of them
        longest: number of characters to keep
    """
    kept: list[str] = []
    for each in sentences:
        if kept and len("; ".join([*kept, each])) > longest:
            break
        kept.append(excerpt(each, longest))
    more = f"; and {len(sentences) - len(kept)} more" if len(kept) < len(sentences) else ""
    return "; ".join(kept) + more


def listing(names: Collection[object], most: int = _MOST_NAMES) -> str:
    """Join names with commas; of a long list keep the first ones and the number of the others.

    Args:
        names: any objects
        most: number of names to keep
    """
    shown = ", ".join(excerpt(name, _LONGEST_NAME) for name in islice(names, most))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
