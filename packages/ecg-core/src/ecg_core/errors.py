"""Every error a user of the toolkit can meet: one sentence that says what was expected, what came, what to do.

All are caught by the command line, printed without a traceback and turned into exit code 2.
"""

from __future__ import annotations

__all__ = [
    "AmbiguousComponentError",
    "CheckpointError",
    "CollapseWarning",
    "ContentWarning",
    "ComponentLoadError",
    "ConfigError",
    "DataError",
    "ECGError",
    "LeakError",
    "MissingExtraError",
    "OutputExistsError",
    "PluginError",
    "PluginWarning",
    "ProvenanceWarning",
    "RegistryError",
    "RunError",
    "UnknownComponentError",
    "missing_extra",
]

_EXTRAS = {
    "torch": "ecg-core[torch]",
    "safetensors": "ecg-core[torch]",
    "matplotlib": "ecg-core[plots]",
    "huggingface_hub": "ecg-core[hub]",
    "tensorboard": "ecg-core[tensorboard]",
    "pytest": "ecg-core[testing]",
    "sklearn": "ecg-core[sklearn]",
    "yaml": "ecg-core[yaml]",
    "onnx": "ecg-core[onnx]",
    "onnxruntime": "ecg-core[onnx]",
    "onnxscript": "ecg-core[onnx]",
}


class ECGError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is one sentence for the user."""

    def __str__(self) -> str:
        # KeyError would print the repr of its argument; ours always print the sentence.
        return str(self.args[0]) if self.args else type(self).__name__


class RegistryError(ECGError):
    """Something is wrong between a component's name and the class behind it."""


class UnknownComponentError(RegistryError, KeyError):
    """No installed or registered component has this name."""


class AmbiguousComponentError(RegistryError, LookupError):
    """Several packages ship a component of this name, and none of them is ours."""


class ComponentLoadError(RegistryError, ImportError):
    """A component is listed, but its module cannot be imported."""


class PluginError(RegistryError):
    """Something is wrong with an installed plugin, and ``ECG_PLUGINS_STRICT`` says that this must not be."""


class PluginWarning(UserWarning):
    """Something is wrong with an installed plugin; everything else works on without it."""


class ProvenanceWarning(UserWarning):
    """A model was saved with another version of a package than the one installed; it may not do what it did."""


class ContentWarning(UserWarning):
    """Something in the data or in a saved run is not as it should be, and what is done about it."""


class CollapseWarning(UserWarning):
    """A backbone that learns without labels no longer tells recordings apart, whatever its loss says."""


class ConfigError(ECGError, TypeError):
    """A configuration cannot be written, read or built."""


class DataError(ECGError, ValueError):
    """A recording, a table or a prepared store is not what it claims to be."""


class LeakError(DataError):
    """The same patient (or signal) stands in two splits."""


class RunError(ECGError, ValueError):
    """A run directory is missing, incomplete or does not fit what is asked of it."""


class CheckpointError(RunError):
    """A checkpoint is cut, altered or written by something else."""


class OutputExistsError(ECGError, FileExistsError):
    """The output is already there, and neither ``--force`` nor ``--resume`` was given."""


class MissingExtraError(ECGError, ImportError):
    """An optional dependency is needed; the message holds the install line."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error a user should see when an import failed for want of an optional dependency; ``None`` for any other."""
    package = (error.name or "").split(".")[0]
    if package not in _EXTRAS:
        return None
    return MissingExtraError(f"this needs {package}, which is not installed: pip install '{_EXTRAS[package]}'")
