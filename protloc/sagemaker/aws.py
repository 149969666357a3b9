"""The edge to AWS: a session, and its exceptions as one line."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protloc.errors import UserError

if TYPE_CHECKING:
    import boto3

FALLBACK_REGION = "us-east-1"
UNKNOWN_ACCOUNT = "000000000000"
"""Stands for the account in a dry run, which asks AWS nothing."""


def open_session(region: str | None, *, offline: bool = False) -> boto3.Session:
    """A session in `region`, or in the one that the user's AWS configuration names.

    Args:
        region: of the option; None: AWS's own configuration.
        offline: nothing will be sent: a region is made up where none is known.

    Raises:
        UserError: the extra is not installed, or no region is known.
    """
    try:
        import boto3
    except ImportError as error:
        raise UserError("boto3 is not installed: pip install 'protloc[sagemaker]'") from error
    from botocore.exceptions import ProfileNotFound

    for name in ("boto3", "botocore", "s3transfer"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        session = boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise UserError(f"AWS: {error}") from error
    if session.region_name is None:
        if not offline:
            raise UserError("no AWS region is known: give cluster.region=, or set AWS_DEFAULT_REGION")
        session = boto3.Session(region_name=FALLBACK_REGION)
    return session


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn what AWS refuses into a line for the user.

    Args:
        doing: what was tried, as in `upload to s3://...`.

    Raises:
        UserError: no credentials, no connection, or AWS's own refusal.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise UserError(
            f"{doing}: no AWS credentials were found; run `aws configure`, set AWS_PROFILE, or look with dry_run=true"
        ) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        raise UserError(f"{doing}: {said.get('Code', 'refused')}: {said.get('Message', error)}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise UserError(f"{doing}: {' '.join(str(error).split())}") from error


def account(session: boto3.Session) -> str:
    """The account's number.

    Raises:
        UserError: AWS does not know these credentials.
    """
    with aws_errors("ask AWS who you are"):
        return str(session.client("sts").get_caller_identity()["Account"])


def studio_role(session: boto3.Session) -> str | None:
    """The role of the SageMaker notebook or Studio app that this runs in; None elsewhere."""
    if "SAGEMAKER_INTERNAL_IMAGE_URI" not in os.environ and not os.path.exists(
        "/opt/ml/metadata/resource-metadata.json"
    ):
        return None
    with aws_errors("ask AWS who you are"):
        arn = str(session.client("sts").get_caller_identity()["Arn"])
    # arn:aws:sts::123456789012:assumed-role/NAME/SESSION; the role's own address may have a path, which IAM knows
    if ":assumed-role/" not in arn:
        return None
    name = arn.split("/")[1]
    with aws_errors(f"look up the role {name}"):
        return str(session.client("iam").get_role(RoleName=name)["Role"]["Arn"])


def role_of(given: str | None, session: boto3.Session, dry_run: bool) -> str:
    """The ARN of the role that something runs as: the one given, else that of the Studio app that this runs in.

    Raises:
        UserError: there is none.
    """
    if given is not None:
        return given
    role = f"arn:aws:iam::{UNKNOWN_ACCOUNT}:role/ROLE" if dry_run else studio_role(session)
    if role is None:
        raise UserError("cluster.role= is needed: the ARN of the role that it runs as (docs/sagemaker.md)")
    return role
