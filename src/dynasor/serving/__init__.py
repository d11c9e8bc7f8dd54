"""An OpenAI-compatible server in which every request is a reasoning program. docs/serving.md shows how to run it."""

from dynasor.serving.app import create_app
from dynasor.serving.keys import KeyRing, load_keys
from dynasor.serving.limits import Limits
from dynasor.serving.plans import Offer
from dynasor.serving.service import Service

__all__ = ["KeyRing", "Limits", "Offer", "Service", "create_app", "load_keys"]
