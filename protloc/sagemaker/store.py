"""Files on S3, found by their content: what is there already is not sent again."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protloc.errors import UserError
from protloc.sagemaker.aws import UNKNOWN_ACCOUNT, account, aws_errors

if TYPE_CHECKING:
    import boto3


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://BUCKET/KEY`.

    Raises:
        UserError: it is no such address.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UserError(f"{uri!r} is no address on S3: s3://BUCKET/KEY is needed")
    return bucket, key


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents below a folder; 16 hexadecimal digits."""
    total = hashlib.sha256()
    for file in files_of(path):
        if path.is_dir():
            total.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                total.update(block)
    return total.hexdigest()[:16]


def files_of(path: Path) -> list[Path]:
    """The file itself, or all below the folder but hidden ones."""
    if path.is_file():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(path).parts))


@dataclass
class Store:
    """A bucket.

    Args:
        client: boto3's S3 client.
        bucket: its name.
        kms_key: encrypts what is uploaded; None: the bucket's own way.
    """

    client: Any
    bucket: str
    kms_key: str | None = None

    def exists(self) -> bool:
        """Whether there is such a bucket.

        Raises:
            UserError: it belongs to somebody else, or cannot be reached.
        """
        try:
            with aws_errors(f"look at the bucket {self.bucket}"):
                self.client.head_bucket(Bucket=self.bucket)
        except UserError as error:
            code = _code(error)
            if code == "404":
                return False
            if code == "403":
                raise UserError(
                    f"the bucket {self.bucket} is not yours to use: give another cluster.bucket="
                ) from error
            raise
        return True

    def create(self, region: str) -> None:
        """Make the bucket where it is missing; with encryption and without public access, as S3 makes them today."""
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with aws_errors(f"create the bucket {self.bucket}"):
            self.client.create_bucket(Bucket=self.bucket, **where)

    def upload(self, path: Path, prefix: str) -> tuple[str, int]:
        """Send a file or a folder; its address below `prefix` tells its content.

        Returns:
            The address of the prefix that holds it, and how many bytes were sent: 0 where it was there already.
        """
        key = f"{prefix}/{digest(path)}"
        sent = 0
        for file in files_of(path):
            name = file.name if path.is_file() else file.relative_to(path).as_posix()
            sent += self._send(file, f"{key}/{name}")
        return f"s3://{self.bucket}/{key}/", sent

    def put(self, content: bytes, prefix: str, name: str) -> tuple[str, int]:
        """As `upload`, from memory; the address of the object itself."""
        key = f"{prefix}/{hashlib.sha256(content).hexdigest()[:16]}/{name}"
        uri = f"s3://{self.bucket}/{key}"
        if self._size(key) == len(content):
            return uri, 0
        with aws_errors(f"upload to {uri}"):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=content, **self._encryption())
        return uri, len(content)

    def _send(self, file: Path, key: str) -> int:
        size = file.stat().st_size
        if self._size(key) == size:  # the key holds a digest of the content
            return 0
        with aws_errors(f"upload {file} to s3://{self.bucket}/{key}"), _bar(f"upload {file.name}", size) as advance:
            self.client.upload_file(str(file), self.bucket, key, ExtraArgs=self._encryption(), Callback=advance)
        return size

    def _size(self, key: str) -> int | None:
        try:
            with aws_errors(f"look at s3://{self.bucket}/{key}"):
                return int(self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])
        except UserError as error:
            if _code(error) == "404":
                return None
            raise

    def _encryption(self) -> dict[str, str]:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key} if self.kms_key else {}


def bucket_of(given: str | None, kms_key: str | None, session: boto3.Session, dry_run: bool) -> Store:
    """The bucket: the one that was given, else SageMaker's own of this account and region, made if need be.

    Raises:
        UserError: the one given does not exist or cannot be used.
    """
    client, region = session.client("s3"), session.region_name
    if dry_run:
        return Store(client, given or f"sagemaker-{region}-{UNKNOWN_ACCOUNT}", kms_key)
    store = Store(client, given or f"sagemaker-{region}-{account(session)}", kms_key)
    if store.exists():
        return store
    if given is not None:
        raise UserError(f"the bucket {given} does not exist: give another cluster.bucket=, or leave it out")
    store.create(region)
    print(f"bucket: {store.bucket} was created")
    return store


def fetch(client: Any, uri: str, path: Path) -> None:
    """Download one object; the file is there whole or not at all.

    Raises:
        UserError: it is not there.
    """
    bucket, key = split(uri)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with aws_errors(f"download {uri}"):
            size = int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
            with _bar(f"download {path.name}", size) as advance:
                client.download_file(bucket, key, str(temporary), Callback=advance)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _code(error: UserError) -> str:
    """AWS's code behind an error, as in `404`; empty where it was no answer of AWS."""
    response: dict[str, Any] = getattr(error.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


class _bar:  # noqa: N801 - used like a function
    """A progress bar in bytes, where somebody looks at it."""

    def __init__(self, title: str, size: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True)
        self._task = self._progress.add_task(title, total=size)

    def __enter__(self) -> Any:
        self._progress.start()
        return lambda count: self._progress.advance(self._task, count)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
