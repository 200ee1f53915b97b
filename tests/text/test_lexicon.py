"""The list of words is what VADER can read."""

from bitpredict.text import lexicon


def test_words_are_lower_case_once_and_in_vaders_scale():
    listed = [word for words in lexicon._BY_WEIGHT.values() for word in words.split()]
    assert len(listed) == len(set(listed))
    assert all(word == word.lower() for word in listed)
    assert all(-4 <= weight <= 4 for weight in lexicon.CRYPTO_LEXICON.values())
