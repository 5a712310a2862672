"""How a page of the site is searched: in both languages, without a dictionary."""

import re

from sphinx.search.en import SearchEnglish

CHINESE = re.compile(r"[\u3400-\u9fff]+")


class SearchPairs(SearchEnglish):
    """English words, and Chinese by pairs of neighbouring characters.

    Chinese has no blanks between its words, and the words of a query need not be those of a
    dictionary. The page splits a query in the same way.
    """

    js_splitter_code = r"""
function splitQuery(query) {
    return query.split(/[^\p{Letter}\p{Number}_]+/gu).filter((word) => word).flatMap((word) =>
        word.match(/[\u3400-\u9fff]+|[^\u3400-\u9fff]+/g).flatMap((part) =>
            /[\u3400-\u9fff]/.test(part) && part.length > 1
                ? Array.from({length: part.length - 1}, (_, i) => part.slice(i, i + 2))
                : [part]));
}
"""

    def split(self, text: str) -> list[str]:
        """The words to be found: pairs, single characters, and what stands between them."""
        words = re.findall(r"\w+", CHINESE.sub(" ", text))
        for run in CHINESE.findall(text):
            words += [run[i : i + 2] for i in range(len(run) - 1)] + list(run)
        return words
