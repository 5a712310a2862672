"""The words of `check` in the reader's language: English as the code has it, or Chinese."""

import json
import os
import re
from functools import cache
from pathlib import Path

CHINESE = Path(__file__).with_name("chinese.json")  # each English text, {} for a value: the Chinese


def language() -> str:
    """ "zh" if the environment variable DAY37_LANGUAGE says so, or the notebook lies in `zh`.

    A notebook's kernel runs in the notebook's folder. Else "en".
    """
    chosen = os.environ.get("DAY37_LANGUAGE", "")
    return chosen if chosen in ("en", "zh") else "zh" if Path.cwd().name == "zh" else "en"


def told(text: str) -> str:
    """The text in the reader's language; as it is, where there is no translation of it."""
    return _chinese(text) if language() == "zh" else text


def _chinese(text: str) -> str:
    whole, patterns = _table()
    if text in whole:
        return whole[text]
    for pattern, chinese in patterns:
        found = pattern.fullmatch(text)
        if found:
            return chinese.format(*map(_chinese, found.groups()))
    head, colon, rest = text.partition(": ")  # a call, and what came of it
    told_rest = _chinese(rest) if colon else rest
    return text if told_rest == rest else f"{_chinese(head)}：{told_rest}"


@cache
def _table() -> tuple[dict[str, str], list[tuple[re.Pattern, str]]]:
    """The table; and its texts with values, those with the most words of their own first."""
    whole = json.loads(CHINESE.read_text(encoding="utf-8"))
    parts = {english: english.split("{}") for english in whole if "{0}" in whole[english]}
    patterns = []
    for english in sorted(parts, key=lambda english: -sum(map(len, parts[english]))):
        pattern = "(.*?)".join(map(re.escape, parts[english]))
        patterns.append((re.compile(pattern, re.DOTALL), whole[english]))
    return whole, patterns
