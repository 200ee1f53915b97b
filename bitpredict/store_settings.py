"""Where the lake and its backups can be, and what is needed to reach them there."""

from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, SecretStr


def store_address(url: str) -> str:
    """A folder or `s3://bucket/prefix` as it is; of `file:///folder` the folder.

    Raises:
        ValueError: it is neither, or names no bucket.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or (scheme == "s3" and rest.partition("/")[0]):
        return url
    if scheme == "file" and rest.startswith("/"):
        return unquote(rest)
    raise ValueError("nothing can be kept there; name a folder, or s3://bucket/prefix with the name of the bucket")


StoreAddress = Annotated[str, AfterValidator(store_address)]
"""A folder or `s3://bucket/prefix`."""


def s3_options(region: str, endpoint: str, key: SecretStr, secret: SecretStr) -> dict[str, str]:
    """What Delta needs to reach S3, by its names; what is not set is left out."""
    options = {
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key.get_secret_value(),
        "AWS_SECRET_ACCESS_KEY": secret.get_secret_value(),
    }
    if endpoint.startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return {name: value for name, value in options.items() if value}
