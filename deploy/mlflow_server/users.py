"""Give an MLflow server Voxfoundry's roles, and its users a role.

    python deploy/mlflow_server/users.py lea=release_manager tom=engineer < passwords.txt

MLFLOW_TRACKING_URI names the server, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD an administrator. The
standard input holds one line for each user, the password of a new one. Running it again changes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys

from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

WORKSPACE = "default"
# role: what it may do to all experiments and all registered models. voxfoundry_auth.py adds who moves the champion
ROLES = {
    "engineer": {"experiment": "EDIT", "registered_model": "EDIT"},
    "release_manager": {"experiment": "EDIT", "registered_model": "MANAGE"},
    "privacy_officer": {"experiment": "MANAGE", "registered_model": "MANAGE"},
}


def main() -> None:
    """Make the roles, the users that are new, and the assignments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("users", nargs="+", metavar="NAME=ROLE", help=f"a user and one of {', '.join(ROLES)}")
    pairs = [pair.partition("=")[::2] for pair in parser.parse_args().users]
    if wrong := [role for _, role in pairs if role not in ROLES]:
        parser.error(f"{wrong[0]!r} is not a role; the roles are {', '.join(ROLES)}")
    client = AuthServiceClient(os.environ["MLFLOW_TRACKING_URI"])
    role_ids = ensure_roles(client)
    for name, role in pairs:
        password = sys.stdin.readline().rstrip("\n")
        if not has_user(client, name):
            client.create_user(name, password)
        if role not in {assigned.name for assigned in client.list_user_roles(name)}:
            client.assign_role(name, role_ids[role])
        print(f"{name} has the role {role}")


def ensure_roles(client: AuthServiceClient) -> dict[str, int]:
    """Make the roles that are not there yet, and return the ids of all by name."""
    ids = {role.name: role.id for role in client.list_roles(WORKSPACE)}
    for name, permissions in ROLES.items():
        if name not in ids:
            ids[name] = client.create_role(WORKSPACE, name).id
        granted = {grant.resource_type for grant in client.list_role_permissions(ids[name])}
        for resource, permission in permissions.items():
            if resource not in granted:
                client.add_role_permission(ids[name], resource, "*", permission)
    return ids


def has_user(client: AuthServiceClient, name: str) -> bool:
    """Return whether the server knows the user."""
    try:
        client.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


if __name__ == "__main__":
    main()
