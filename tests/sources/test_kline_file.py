import io
import zipfile
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.errors import BadSourceDataError
from bitpredict.sources.kline_file import MAX_CSV_BYTES, check_sum, read_klines
from tests.support.klines import HEADER, checksum, csv, day_file, line, zipped

DAY = date(2023, 3, 24)
NAME = "BTCUSDT-1m-2023-03-24"
MIDNIGHT = datetime(2023, 3, 24, tzinfo=UTC)
GOOD = day_file("BTCUSDT", DAY)


def read(body: bytes) -> dict[str, list]:
    return read_klines(body, NAME, f"folder/{NAME}.zip").to_pydict()


def test_a_row_of_the_real_archive(sample):
    path = sample / "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2023-11-01.zip"
    with zipfile.ZipFile(path) as archive:
        first = archive.read(archive.namelist()[0]).decode().splitlines()[0].split(",")
    row = read_klines(path.read_bytes(), path.stem, str(path)).slice(0, 1).to_pylist()[0]
    assert row["open_time"] == datetime(2023, 11, 1, tzinfo=UTC)
    assert row["known_at"] == datetime(2023, 11, 1, 0, 1, tzinfo=UTC)
    assert row["provenance"] == "observed"
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")
    assert [row[name] for name in names] == [float(first[i]) for i in (1, 2, 3, 4, 5, 7, 8, 9)]


@pytest.mark.parametrize(
    ("content", "minutes"),
    [
        pytest.param(csv(DAY, [0, 1]), [0, 1], id="milliseconds"),
        pytest.param(csv(DAY, [0, 1], unit=1_000_000), [0, 1], id="microseconds"),
        pytest.param(line(DAY, 0) + "\n" + line(DAY, 1, unit=1_000_000), [0, 1], id="both, no newline at the end"),
        pytest.param(HEADER + "\n" + csv(DAY, [0, 1]), [0, 1], id="header"),
        pytest.param(HEADER + "\r\n" + csv(DAY, [3]).replace("\n", "\r\n"), [3], id="header, Windows line ends"),
        pytest.param(csv(DAY, [5, 3, 3]), [5, 3, 3], id="as it stands, unordered and repeated"),
    ],
)
def test_forms_that_are_understood(content, minutes):
    times = read(zipped(f"{NAME}.csv", content))["open_time"]
    assert [(time - MIDNIGHT).total_seconds() / 60 for time in times] == minutes


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "", "null", "N/A"])
def test_a_price_that_is_no_number_is_null_and_never_a_number(text):
    content = csv(DAY, [0]) + line(DAY, 1).replace(",100,", f",{text},", 1)
    assert read(zipped(f"{NAME}.csv", content))["open"] == [100.0, None]


@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity"])
def test_an_infinite_price_stays_infinite_for_the_rules_to_reject(text):
    content = line(DAY, 1).replace(",100,", f",{text},", 1)
    assert abs(read(zipped(f"{NAME}.csv", content))["open"][0]) == float("inf")


def two_members() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{NAME}.csv", csv(DAY))
        archive.writestr("readme.txt", "hello")
    return packed.getvalue()


def flipped(body: bytes) -> bytes:
    """One bit of the packed rows changed."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def wrong_crc(content: str) -> bytes:
    """A stored member whose bytes were changed after its CRC was taken."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{NAME}.csv", content)
    return packed.getvalue().replace(b",100,", b",900,", 1)


def lying_bomb() -> bytes:
    """Unpacks to far more than its directory says."""
    packed = bytearray(zipped(f"{NAME}.csv", b"0" * (2 * MAX_CSV_BYTES)))
    size = (2 * MAX_CSV_BYTES).to_bytes(4, "little")
    assert packed.count(size) == 2
    return bytes(packed.replace(size, (1000).to_bytes(4, "little")))


def encrypted() -> bytes:
    body = bytearray(GOOD)
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(body)


def packed_with(method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(f"{NAME}.csv", csv(DAY))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "not a whole zip file", id="empty"),
        pytest.param(b"<html>maintenance</html>", "not a whole zip file.*<html>maintenan", id="a page"),
        pytest.param(GOOD[:-30], "not a whole zip file", id="cut off at the end"),
        pytest.param(GOOD[:500], "not a whole zip file", id="cut off early"),
        pytest.param(flipped(GOOD), "not a whole zip file", id="a bit flipped"),
        pytest.param(wrong_crc(csv(DAY)), "Bad CRC-32", id="wrong CRC"),
        pytest.param(two_members(), "holds BTCUSDT-1m-2023-03-24.csv, readme.txt where only", id="two members"),
        pytest.param(zipped("ETHUSDT-1m-2023-03-24.csv", csv(DAY)), "holds ETHUSDT-1m", id="another symbol's file"),
        pytest.param(zipped("BTCUSDT-1m-2023-03-25.csv", csv(DAY)), "holds BTCUSDT-1m-2023-03-25", id="another day's"),
        pytest.param(zipped(f"../{NAME}.csv", csv(DAY)), "where only", id="a path in the name"),
        pytest.param(packed_with(zipfile.ZIP_BZIP2), "does not use", id="packed in another way"),
        pytest.param(encrypted(), "encrypted", id="encrypted"),
        pytest.param(zipped(f"{NAME}.csv", b"0" * (MAX_CSV_BYTES + 1)), "says that it unpacks to", id="bomb"),
        pytest.param(lying_bomb(), "not a whole zip|more than", id="bomb that lies about its size"),
        pytest.param(zipped(f"{NAME}.csv", ""), "not a CSV of klines .*[Ee]mpty", id="no rows"),
        pytest.param(zipped(f"{NAME}.csv", "1,2,3\n"), "not a CSV of klines .*12 columns", id="other columns"),
        pytest.param(zipped(f"{NAME}.csv", csv(DAY)[:-40]), "not a CSV of klines .*12 columns", id="last row cut off"),
        pytest.param(zipped(f"{NAME}.csv", "time,o,h,l,c\n" + csv(DAY)), "not a CSV of klines", id="unknown header"),
        pytest.param(
            zipped(f"{NAME}.csv", HEADER.replace("open,", "close,") + "\n" + csv(DAY)),
            "not a CSV of klines .*open_time",
            id="header of other columns",
        ),
        pytest.param(zipped(f"{NAME}.csv", csv(DAY) + HEADER), "not a CSV of klines", id="header at the end"),
        pytest.param(zipped(f"{NAME}.csv", line(DAY, 0).replace(",7,", ",7.5,")), "'7.5'", id="half a trade"),
        pytest.param(zipped(f"{NAME}.csv", line(DAY, 0).replace(",100,", ",1OO,")), "'1OO'", id="letters in a price"),
        pytest.param(zipped(f"{NAME}.csv", b"\xff\xfe" * 50), "not a CSV of klines", id="bytes"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_its_fault_and_what_to_do(body, says):
    with pytest.raises(BadSourceDataError, match=rf"(?s)folder/{NAME}\.zip .*({says}).*fetch it again"):
        read(body)


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
def test_whatever_the_bytes_only_the_named_error_comes_out(junk, position):
    for body in (junk, GOOD[:position] + junk + GOOD[position + len(junk) :]):
        try:
            rows = read(body)
        except BadSourceDataError:
            continue
        assert rows == read(GOOD)


@given(st.text(alphabet="0123456789,.-einfa\n\r\"' ", max_size=200))
def test_whatever_the_text_only_the_named_error_comes_out(text):
    try:
        rows = read(zipped(f"{NAME}.csv", text))
    except BadSourceDataError:
        return
    assert len(rows["open"]) <= len(text.splitlines())


def test_a_checksum_that_fits():
    check_sum(GOOD, checksum(GOOD, f"{NAME}.zip"), f"{NAME}.zip", NAME)
    digest, name = checksum(GOOD, f"{NAME}.zip").split()
    check_sum(GOOD, digest.upper() + b" *" + name, f"{NAME}.zip", NAME)


@pytest.mark.parametrize(
    ("line_of_checksum", "says"),
    [
        pytest.param(checksum(GOOD + b"x", f"{NAME}.zip"), "does not match its .CHECKSUM", id="of other bytes"),
        pytest.param(checksum(GOOD, "ETHUSDT-1m-2023-03-24.zip"), "is not a sha256 of BTCUSDT", id="of another file"),
        pytest.param(b"<html>", "is not a sha256 of BTCUSDT.*<html>", id="a page"),
        pytest.param(b"", "is not a sha256", id="empty"),
        pytest.param(b"\xff" * 64 + b"  x", "is not a sha256", id="bytes"),
    ],
)
def test_a_checksum_that_does_not_fit(line_of_checksum, says):
    with pytest.raises(BadSourceDataError, match=rf"folder/{NAME}.zip.*{says}.*fetch it again"):
        check_sum(GOOD, line_of_checksum, f"{NAME}.zip", f"folder/{NAME}.zip")
