"""What the Delta and Arrow libraries raise, as one line that says what to do."""

import re

_FULL = "the disk is full; free some space and run it again"
_RIGHTS = "this user lacks the rights; change the folder's owner or mode, or set BITPREDICT_LAKE_URL elsewhere"
_FILE = "a file is where its folder would be; move the file away, or set BITPREDICT_LAKE_URL elsewhere"
_DAMAGED = "the table is damaged; move its folder away and materialize its days again"
_KEYS = "the S3 server refuses these keys; set BITPREDICT_S3_ACCESS_KEY_ID and BITPREDICT_S3_SECRET_ACCESS_KEY"

_REMEDIES = (
    ("no space left", _FULL),
    ("file too large", _FULL),
    ("quota exceeded", _FULL),
    ("read-only file system", "the folder is read-only; make it writable, or set BITPREDICT_LAKE_URL elsewhere"),
    ("permission denied", _RIGHTS),
    ("not a directory", _FILE),
    ("invalid table location", _FILE),
    ("nosuchbucket", "the bucket does not exist; create it or set BITPREDICT_LAKE_URL"),
    ("access key id", _KEYS),
    ("signaturedoesnotmatch", _KEYS),
    ("accessdenied", "the S3 keys may not do that there; grant read, write, list and delete on the bucket"),
    ("error sending request", "no S3 server answers; start it or set BITPREDICT_S3_ENDPOINT_URL"),
    ("failed to open local file", _DAMAGED),
    ("could not open parquet", _DAMAGED),
    ("json error", _DAMAGED),
)


def remedy(error: BaseException) -> str:
    """What to do about `error`, followed by its own words on one short line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).replace("↳", ":")
    said_by_s3 = re.search(r"<Message>(.*?)</Message>", text)
    reason = said_by_s3[1] if said_by_s3 else re.split(r"\s0: <unknown>", text)[0]
    reason = " ".join(reason.split())[:240]
    for sign, what in _REMEDIES:
        if sign in text.lower():
            return f"{what} ({reason})"
    return reason
