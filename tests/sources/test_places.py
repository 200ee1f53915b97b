import pytest

from bitpredict.errors import SourceUnavailableError
from bitpredict.sources.places import is_trusted


@pytest.mark.parametrize(
    ("place", "trusted"),
    [
        ("https://api.example.com/v2", True),
        ("https://other.example.com/v2", False),
        ("https://api.example.com:8443/v2", False),
        ("https://api.example.com@evil.example/v2", False),
        ("http://api.example.com/v2", False),
    ],
)
def test_keys_follow_a_redirect_within_the_host_and_never_unencrypted(place, trusted):
    assert is_trusted(place, "https://api.example.com/v1") is trusted


def test_an_unencrypted_host_may_lead_to_its_encrypted_self():
    assert is_trusted("https://api.example.com/", "http://api.example.com/")
    with pytest.raises(SourceUnavailableError, match="no address of a host"):
        is_trusted("http://api.example.com:port/", "http://api.example.com/")
