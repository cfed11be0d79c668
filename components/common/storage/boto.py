"""Make boto3 clients and translate boto3's exceptions; no other module imports boto3."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from components.common.errors import BadInputError
from components.common.storage.base import IntegrityError

# On the way to the server.
DAMAGED = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody")
BUSY = ("SlowDown", "RequestTimeout", "ConditionalRequestConflict", "OperationAborted")
SKEWED = ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture")
ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301")
SKEW = timedelta(minutes=5)  # that S3 forgives is 15


class PassingError(Exception):
    """A failure that a retry may mend; `final` is raised once retries end, or when two tries `found` the same fault."""

    def __init__(self, final: BadInputError, found: str = "") -> None:
        super().__init__(str(final))
        self.final = final
        self.found = found


class ConditionError(Exception):
    """A conditional write was refused; `repeated`: boto3 had sent it before, and perhaps only the answer was lost."""

    def __init__(self, repeated: bool) -> None:
        super().__init__("a condition does not hold")
        self.repeated = repeated


def make_client() -> Any:
    """A client of the endpoint in AWS_ENDPOINT_URL, with credentials from where boto3 finds them (environment, profile,
    role).
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    # A server of one's own rarely has a host name per bucket.
    style = "path" if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") else "auto"
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
        s3={"addressing_style": style},
    )
    try:
        return boto3.Session().client("s3", config=config)
    # an endpoint or a region that cannot be one, a profile that is not there
    except (ValueError, BotoCoreError) as error:
        raise BadInputError(
            f"object store: {error}; check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and AWS_PROFILE"
        ) from None


@contextmanager
def explained(uri: str, bucket: str, key: str) -> Iterator[None]:
    """Translate exceptions: user errors to BadInputError, absent objects to KeyError, transient ones to PassingError.

    No message repeats a secret.
    """
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    try:
        yield
    except boto.ClientError as error:
        raise _answered(error, uri, bucket, key) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError, boto.ProfileNotFound):
        raise BadInputError(
            f"{uri}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        ) from None
    except boto.ParamValidationError:
        raise BadInputError(f"{uri}: {bucket!r} cannot be the name of a bucket; expected s3://bucket/prefix") from None
    except (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError) as error:
        raise _silent(uri, error) from None
    except (
        boto.FlexibleChecksumError,
        boto.IncompleteReadError,
        boto.ResponseStreamingError,
        ResponseParserError,
    ) as error:
        raise PassingError(
            IntegrityError(f"{uri}/{key}: arrives damaged each time ({type(error).__name__}); check the network")
        ) from None
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise PassingError(_silent(uri, error)) from None


def no_bucket(uri: str, bucket: str) -> BadInputError:
    return BadInputError(f"{uri}: there is no bucket {bucket!r}; create it, or correct the address")


def unlike_etag(data: bytes, answer: dict[str, Any]) -> str:
    """MD5 of a body that its ETag contradicts, where the ETag is meant to be one and boto3 had no checksum, or ""."""
    etag = answer["ETag"].strip('"')
    checked = any(name.startswith("Checksum") and name != "ChecksumType" for name in answer)
    if (
        checked
        or len(etag) != 32
        or answer.get("SSECustomerAlgorithm")
        or answer.get("ServerSideEncryption", "AES256") != "AES256"
    ):
        return ""
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return "" if digest == etag else digest


def _silent(uri: str, error: Exception) -> BadInputError:
    where = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "S3"
    return BadInputError(
        f"{uri}: {where} does not answer ({type(error).__name__}); check AWS_ENDPOINT_URL and the network"
    )


def _answered(error: Any, uri: str, bucket: str, key: str) -> Exception:
    """What an answer of the server means."""
    code = error.response["Error"]["Code"]
    meta = error.response["ResponseMetadata"]
    status = meta["HTTPStatusCode"]
    if code in SKEWED or (status == 403 and _skewed(meta["HTTPHeaders"])):
        return BadInputError(
            f"{uri}: refused, since this machine's clock and the server's differ ({code}); set the clock (NTP)"
        )
    if code in ELSEWHERE:
        region = meta["HTTPHeaders"].get("x-amz-bucket-region") or error.response["Error"].get("Region")
        return BadInputError(
            f"{uri}: the bucket lies in another region ({code}); set AWS_DEFAULT_REGION to {region or 'its own'}"
        )
    if code == "NoSuchBucket":
        return no_bucket(uri, bucket)
    if code in DAMAGED:
        return PassingError(
            IntegrityError(f"{uri}/{key}: arrives damaged at the server each time ({code}); check the network")
        )
    if status in (429, 500, 502, 503, 504) or code in BUSY:
        return PassingError(
            BadInputError(f"{uri}/{key}: the server keeps answering {code}; try again later, or ask who runs it")
        )
    if status == 412:
        return ConditionError(meta.get("RetryAttempts", 0) > 0)
    if status == 404:
        return KeyError(key)
    if status == 416:
        return IntegrityError(f"{uri}/{key}: shorter than its index says; run ingest again")
    if status in (401, 403):
        return BadInputError(f"{uri}: no permission ({code}); check the credentials and the bucket's policy")
    return error


def _skewed(headers: dict[str, str]) -> bool:
    """Whether the clock is skewed: HEAD has no body that says so, but every answer has the server's time."""
    try:
        return abs(parsedate_to_datetime(headers["date"]) - datetime.now(UTC)) > SKEW
    except (KeyError, ValueError, TypeError):
        return False
