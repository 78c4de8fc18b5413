"""Shortcuts from a name to an object: ``create_backbone("resnet18", in_leads=12)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.head import Head
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.transform import Transform
from ecg_core.discovery.registries import BACKBONES, HEADS, SSL, TRANSFORMS

__all__ = ["create_backbone", "create_head", "create_ssl", "create_transform"]


def create_backbone(spec: str | Mapping[str, Any], /, **arguments: Any) -> Backbone:
    """A registered backbone by name or configuration."""
    return BACKBONES.build(spec, **arguments)


def create_head(spec: str | Mapping[str, Any], /, **arguments: Any) -> Head:
    """A registered head by name or configuration."""
    return HEADS.build(spec, **arguments)


def create_ssl(spec: str | Mapping[str, Any], /, **arguments: Any) -> SSLMethod:
    """A registered SSL method by name or configuration."""
    return SSL.build(spec, **arguments)


def create_transform(spec: str | Mapping[str, Any], /, **arguments: Any) -> Transform:
    """A registered transform by name or configuration."""
    return TRANSFORMS.build(spec, **arguments)
