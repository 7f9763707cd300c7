"""The error that campaigns raise on purpose."""

from __future__ import annotations

from serving.errors import ServingError


class CampaignError(ServingError):
    """A campaign as a whole cannot be taken. What is wrong with single rows is a Reject and not an error."""

    status, type = 422, "campaign_refused"
    action = "Correct what the message names and send the campaign again."
    close_code = 1008


class ExpiredError(CampaignError):
    """The time of a campaign is over."""

    status, type, action = 410, "expired", "Submit it again with a later expires_at."
