"""GET /v1/voices and /v1/models: what can be asked for."""

from __future__ import annotations

from fastapi import APIRouter, Request

from registry.names import shorten
from serving.api.bodies import (
    MODELS,
    ErrorBody,
    ModelInfo,
    ModelList,
    VoiceInfo,
    VoiceList,
    VoiceVersions,
)
from serving.api.service import current_caller, service_of
from serving.errors import UnknownVoiceError

ERRORS = {"4XX": {"model": ErrorBody, "description": "The request is the reason."}}
router = APIRouter(responses=ERRORS)


@router.get("/v1/voices")
async def voices(request: Request) -> VoiceList:
    """List the champion of each voice that the key covers."""
    caller = current_caller(request)
    served = [one for one in service_of(request).engine.voices() if one.is_champion and caller.sees(one.voice)]
    return VoiceList(data=[VoiceInfo.of(one) for one in sorted(served, key=lambda one: one.voice)])


@router.get("/v1/voices/{voice}")
async def voice_versions(voice: str, request: Request) -> VoiceVersions:
    """Show a voice with each of its versions that is served."""
    caller = current_caller(request)
    served = [one for one in service_of(request).engine.voices() if one.voice == voice]
    if not served or not caller.sees(voice):
        raise UnknownVoiceError(
            f"no voice {shorten(voice)!r} is served; GET /v1/voices lists those that are", param="voice"
        )
    served.sort(key=lambda one: (not one.is_champion, -one.version))
    return VoiceVersions(voice=voice, versions=[VoiceInfo.of(one) for one in served])


@router.get("/v1/models")
async def models() -> ModelList:
    """List the names that `model` takes. Each means the voices of this service."""
    return ModelList(data=[ModelInfo(id=name) for name in MODELS])
