"""The list of feeds: reviewed, and refused with the line that is wrong."""

import pytest

from bitpredict.errors import ContractError
from bitpredict.sources.feed_addresses import FeedAddress, read_feed_addresses
from bitpredict.text.addresses import canonical_url

HEADER = "name,address,language,interval_minutes,enabled\n"


def test_the_shipped_list():
    feeds = read_feed_addresses()
    assert len(feeds) == 26
    assert {"CoinDesk", "Cointelegraph", "CryptoSlate", "Decrypt", "Bitcoin Magazine", "The Block"} <= {
        feed.name for feed in feeds
    }
    assert [feed.name for feed in feeds] == sorted(feed.name for feed in feeds)
    for feed in feeds:
        assert feed.address.startswith("https://")
        assert canonical_url(feed.address) == feed.address
        assert feed.interval_minutes >= 15
        assert feed.enabled


def test_a_list_of_the_users_own(tmp_path):
    file = tmp_path / "feeds.csv"
    file.write_text(HEADER + "Mine,http://10.0.0.1/feed,pt-BR,60,no\n")
    assert read_feed_addresses(file) == (FeedAddress("Mine", "http://10.0.0.1/feed", "pt-BR", 60, False),)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the first line must be"),
        ("name,address\n", "the first line must be"),
        (HEADER + "A,https://e.com/,en,15\n", "line 2: 'A,https://e.com/,en,15' is not"),
        (HEADER + ",https://e.com/,en,15,yes\n", "line 2"),
        (HEADER + f"{'x' * 61},https://e.com/,en,15,yes\n", "no name of at most 60"),
        (HEADER + "all,https://e.com/,en,15,yes\n", "every feed together"),
        (HEADER + "A,file:///etc/passwd,en,15,yes\n", "no address"),
        (HEADER + "A,https://e.com/,English,15,yes\n", "no language"),
        (HEADER + "A,https://e.com/,en,0,yes\n", "no number of minutes"),
        (HEADER + "A,https://e.com/,en,soon,yes\n", "no number of minutes"),
        (HEADER + "A,https://e.com/,en,15,true\n", "enabled is yes or no"),
        (
            HEADER + "A,https://e.com/,en,15,yes\nA,https://e.com/2,en,15,yes\n",
            "line 3: A or its address is there twice",
        ),
        (
            HEADER + "A,https://e.com/,en,15,yes\nB,https://e.com/,en,15,yes\n",
            "line 3: B or its address is there twice",
        ),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_line(tmp_path, content, says):
    file = tmp_path / "feeds.csv"
    file.write_text(content)
    with pytest.raises(ContractError, match=says):
        read_feed_addresses(file)


def test_a_list_that_is_not_there_names_the_setting(tmp_path):
    with pytest.raises(
        ContractError, match=r"cannot be read \(No such file or directory\); check BITPREDICT_FEEDS_FILE"
    ):
        read_feed_addresses(tmp_path / "none.csv")
