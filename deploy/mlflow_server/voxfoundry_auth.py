"""The MLflow server's rule that only a release manager moves the alias `champion`.

MLflow's own permissions cannot say it: whoever may add a version to a registered model may also move its aliases, and
whoever created the model may delete it. MLflow lets a server name its own function for authentication
(`authorization_function` in basic_auth.ini). This one asks MLflow for the user, then refuses what changes a registered
model, except adding a version and moving other aliases, to everybody without one of the roles below.
"""

from __future__ import annotations

from flask import Response, make_response, request
from mlflow.server import auth
from werkzeug.datastructures import Authorization

MAY_MOVE_CHAMPION = frozenset({"release_manager", "privacy_officer"})  # roles; an administrator may too
CHAMPION = "champion"
# What everybody may send besides GET, as far as MLflow's permissions allow it: the end of the path
OPEN_TO_ALL = (
    "/registered-models/create",
    "/registered-models/set-tag",
    "/registered-models/get-latest-versions",
    "/model-versions/create",
)


def authenticate() -> Authorization | Response:
    """Return MLflow's answer about user and password, or status 403 for a change that needs a release manager."""
    user = auth.authenticate_request_basic_auth()
    if isinstance(user, Response) or not needs_release_manager() or may_move_champion(str(user.username)):
        return user
    roles = " or ".join(sorted(MAY_MOVE_CHAMPION))
    answer = {
        "error_code": "PERMISSION_DENIED",
        "message": f"{user.username} lacks the role {roles}, which moving {CHAMPION!r} and changing a voice's "
        "registered model need; ask a release manager, or let an administrator assign the role",
    }
    return make_response(answer, 403)


def needs_release_manager() -> bool:
    """Return whether the request changes a registered model in a way that an engineer may not."""
    if request.method == "GET" or not ("/registered-models/" in request.path or "/model-versions/" in request.path):
        return False
    if request.path.endswith("/registered-models/alias") and request.method == "POST":
        body = request.get_json(force=True, silent=True)  # MLflow reads the same text in the same way
        alias = body.get("alias") if isinstance(body, dict) else None
        return not isinstance(alias, str) or alias.strip().lower() == CHAMPION
    return not request.path.endswith(OPEN_TO_ALL)


def may_move_champion(username: str) -> bool:
    """Return whether a user is an administrator or has one of the roles."""
    user = auth.store.get_user(username)
    return user.is_admin or any(role.name in MAY_MOVE_CHAMPION for role in auth.store.list_user_roles(user.id))
