"""Text as a reader sees it, out of what feeds send: markup, entities escaped once or twice, invisible characters."""

import re
import unicodedata
from html import unescape

TITLE_LENGTH = 500
SUMMARY_LENGTH = 2_000
READ_AT_MOST = 20_000
"""Characters of a field that are looked at: whatever is behind them would be cut off anyway."""

_UNSEEN_ELEMENTS = frozenset({"script", "style", "template", "iframe", "svg"})
_WITHIN_A_LINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "mark", "s", "small"}
) | {*("span", "strong", "sub", "sup", "time", "u")}
# Each repetition is possessive and ends at the next `<`: the time is linear in the text, whatever it is. The standard
# library's parser needs many seconds for some texts of this length.
_TAG = re.compile(
    r"""<(?:(?P<end>/)?(?P<name>[A-Za-z][\w:-]*+)(?>"[^"<]*"|'[^'<]*'|[^<>])*+>|(?P<comment>!--)"""
    r"""|(?P<cdata>!\[CDATA\[)|[!?][A-Za-z][^<>]*+>)"""
)
_REFERENCE = re.compile(r"&(?:#\w+|\w+);")
_UNSEEN = re.compile(
    # Controls, direction marks and overrides, zero width, private use, surrogates, tags. The joiners U+200C and
    # U+200D stay: scripts and emoji are made of them.
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
_SPACES = re.compile(r"\s+")


def clean_title(markup: str) -> str:
    """A headline as plain text, of at most `TITLE_LENGTH` characters."""
    return clean_text(markup, TITLE_LENGTH)


def clean_summary(markup: str) -> str:
    """A summary as plain text, of at most `SUMMARY_LENGTH` characters."""
    return clean_text(markup, SUMMARY_LENGTH)


def clean_text(markup: str, length: int) -> str:
    """One line of plain text in Unicode's composed form (NFC). Cleaning what is clean changes nothing.

    Elements lose their tags, those that are never seen (scripts, styles) also their content. What merely looks like
    markup, as in `BTC <$20k`, stays. Markup that was escaped twice is taken off as well.

    Args:
        length: characters; a longer text ends in `…` behind its last whole word.
    """
    text = markup[:READ_AT_MOST]
    for _ in range(3):  # at the third layer of escapes it is no accident any more: it stays as it reads
        if not (_TAG.search(text) or _REFERENCE.search(text)):
            break
        text = _without_markup(text)
    text = _SPACES.sub(" ", _UNSEEN.sub("", unicodedata.normalize("NFC", _UNSEEN.sub("", text)))).strip()
    return _cut(text, length)


def _without_markup(text: str) -> str:
    pieces: list[str] = []
    place = 0
    while tag := _TAG.search(text, place):
        pieces.append(unescape(text[place : tag.start()]))
        place = tag.end()
        name = (tag["name"] or "").lower()
        if tag["comment"]:
            place = _behind("-->", text, place)
        elif tag["cdata"]:
            place = _behind("]]>", text, place)
            pieces.append(text[tag.end() : place].removesuffix("]]>"))
        elif name in _UNSEEN_ELEMENTS and not tag["end"]:
            closing = re.compile(f"</{name}[^<>]*+>", re.IGNORECASE).search(text, place)
            place = closing.end() if closing else len(text)
        if name not in _WITHIN_A_LINE:
            pieces.append(" ")
    pieces.append(unescape(text[place:]))
    return "".join(pieces)


def _behind(mark: str, text: str, start: int) -> int:
    """Where the text goes on after the next `mark`: at its end, if there is none."""
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    kept = text[: length - 1]
    whole_words = kept.rpartition(" ")[0]
    return (whole_words if len(whole_words) > length // 2 else kept).rstrip() + "…"
