"""launch_sagemaker.py action=deploy|transform|invoke|delete: a model that answers on SageMaker."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protloc.config import DeployConfig
from protloc.data.read import read_proteins
from protloc.data.records import Broken, Protein
from protloc.data.tables import TableWriter, check_output
from protloc.errors import UserError
from protloc.sagemaker.archive import model_archive
from protloc.sagemaker.aws import open_session, role_of
from protloc.sagemaker.hosting import Endpoint, config_request, model_request, refusals, scaling_requests
from protloc.sagemaker.invoke import invoke
from protloc.sagemaker.plan import PREFIX
from protloc.sagemaker.store import Store, bucket_of
from protloc.sagemaker.transform import transform, transform_request

if TYPE_CHECKING:
    import boto3


def deploy(config: DeployConfig) -> None:
    """Do what `config.action` says.

    Raises:
        UserError: for anything that the user can mend.
    """
    wrong = list(refusals(config))
    if wrong:
        raise UserError("; ".join(wrong), exit_code=2)
    session = open_session(config.cluster.region, offline=config.dry_run)
    if config.action == "delete":
        _delete(config, session)
    elif config.action == "invoke":
        _invoke(config, session)
    else:
        _host(config, session)


def _host(config: DeployConfig, session: boto3.Session) -> None:
    """Deploy and transform: both begin with a model."""
    host, region = config.cluster, session.region_name
    role = role_of(host.role, session, config.dry_run)
    store = bucket_of(host.bucket, host.kms_key, session, config.dry_run)
    archive = _archive(config, store)
    base = config.endpoint if config.action == "deploy" else f"protloc-transform-{time.strftime('%m%d-%H%M%S')}"
    name = f"{base}-{secrets.token_hex(4)}"  # AWS takes a name once
    model = model_request(host, region, role, name, archive)
    if config.action == "transform":
        assert config.input is not None
        assert config.output is not None
        source = config.input if config.input.startswith("s3://") else _uploaded(Path(config.input), store, config)
        request = transform_request(host, name, source, config.output)
        if config.dry_run:
            _show({"CreateModel": model, "CreateTransformJob": request})
            return
        transform(session, model, request, wait=config.wait)
        print(f"transform: {name}: {source} -> {config.output}")
        return
    made = config_request(config, name, f"s3://{store.bucket}/{PREFIX}/answers/{config.endpoint}")
    scaling = scaling_requests(config)
    if config.dry_run:
        _show({"CreateModel": model, "CreateEndpointConfig": made, **dict(scaling)})
        return
    assert config.endpoint is not None
    endpoint = Endpoint(session, config.endpoint)
    print(f"endpoint: {config.endpoint} {endpoint.make(model, made, scaling)}, {config.mode}, model {archive}")
    if config.wait:
        endpoint.wait()
    print(f"next: python launch_sagemaker.py action=invoke endpoint={config.endpoint} input=x.fasta output=y.csv")
    print(f"it is billed until: python launch_sagemaker.py action=delete endpoint={config.endpoint}")


def _archive(config: DeployConfig, store: Store) -> str:
    """The model's address on S3, where it is sent unless it is there."""
    assert config.model is not None
    if config.model.startswith("s3://"):
        return config.model
    content = model_archive(Path(config.model))
    if config.dry_run:
        return f"s3://{store.bucket}/{PREFIX}/models/DIGEST/model.tar.gz"
    uri, sent = store.put(content, f"{PREFIX}/models", "model.tar.gz")
    print(f"model: {config.model}, {f'{sent:,} bytes sent' if sent else 'there already'}: {uri}")
    return uri


def _uploaded(path: Path, store: Store, config: DeployConfig) -> str:
    if not path.is_file():
        raise UserError(f"input={path}: no such file here; give a FASTA file, or s3://...")
    if config.dry_run:
        return f"s3://{store.bucket}/{PREFIX}/data/DIGEST/"
    return store.upload(path, f"{PREFIX}/data")[0]


def _delete(config: DeployConfig, session: boto3.Session) -> None:
    assert config.endpoint is not None
    endpoint = Endpoint(session, config.endpoint)
    if config.dry_run:
        _show({"DeleteEndpoint": {"EndpointName": config.endpoint}})
        return
    for line in endpoint.delete():
        print(f"removed: {line}")


def _invoke(config: DeployConfig, session: boto3.Session) -> None:
    assert config.endpoint is not None
    assert config.output is not None
    check_output(config.output, overwrite=config.overwrite, source=config.input)
    began, count = time.perf_counter(), 0
    answers = invoke(session, config.endpoint, _proteins(config), config.parallel)
    first = next(answers, None)
    if first is None:
        raise UserError(f"{config.input} holds no proteins")
    with TableWriter(config.output, list(first[0]), overwrite=config.overwrite) as table:
        for rows in chain([first], answers):
            table.write(rows)
            count += len(rows)
    print(f"{count:,} proteins in {time.perf_counter() - began:.1f} s -> {config.output}")


def _proteins(config: DeployConfig) -> Iterator[Protein]:
    assert config.input is not None
    for record in read_proteins(config.input, id_column="id", sequence_column="sequence"):
        if isinstance(record, Broken):
            raise UserError(record.told(config.input))
        yield record


def _show(requests: dict[str, Any]) -> None:
    print(json.dumps(requests, indent=2))
