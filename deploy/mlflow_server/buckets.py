"""Make the buckets of an S3 server that are not there yet: python deploy/mlflow_server/buckets.py mlflow dvc."""

from __future__ import annotations

import sys

import boto3


def main(names: list[str]) -> None:
    """Make the named buckets. AWS_ENDPOINT_URL and the AWS credentials say where."""
    s3 = boto3.client("s3")
    present = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for name in names:
        if name not in present:
            s3.create_bucket(Bucket=name)


if __name__ == "__main__":
    main(sys.argv[1:])
