"""The configuration of an image: what it runs when it is a container.

Fields are those of the OCI image specification (config.md); a step hands them
to the next as JSON in that form, with the history of the layers so far.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysimage.errors import UserError
from sysimage.text import parse_json


@dataclass(slots=True)
class History:
    """One instruction; empty_layer says that it changed no file, or is not the last of its layer."""

    created_by: str
    empty_layer: bool = True


@dataclass(slots=True)
class ImageConfig:
    """cmd and entrypoint are argument lists; None where the image says nothing."""

    environment: dict[str, str] = field(default_factory=dict)
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    exposed_ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    stop_signal: str = ""
    history: list[History] = field(default_factory=list)

    def to_oci(self) -> dict[str, Any]:
        """The `config` object of an OCI image; empty fields are left out."""
        data: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in sorted(self.exposed_ports)},
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "Entrypoint": self.entrypoint,
            "Cmd": self.cmd,
            "Volumes": {volume: {} for volume in sorted(self.volumes)},
            "WorkingDir": self.working_dir,
            "Labels": dict(sorted(self.labels.items())),
            "StopSignal": self.stop_signal,
        }
        return {key: value for key, value in data.items() if value}

    def to_json(self) -> str:
        """What the next step reads."""
        history = [{"created_by": each.created_by, "empty_layer": each.empty_layer} for each in self.history]
        return json.dumps({"config": self.to_oci(), "history": history}, indent=1) + "\n"


def load_config(path: Path | str) -> ImageConfig:
    """Reads what `ImageConfig.to_json` made.

    Raises:
        UserError: it cannot be read, or is something else.
    """
    try:
        data = parse_json(Path(path).read_bytes())
        oci = data["config"]
        return ImageConfig(
            dict(each.split("=", 1) for each in oci.get("Env", [])),
            oci.get("Cmd"),
            oci.get("Entrypoint"),
            dict(oci.get("Labels", {})),
            oci.get("WorkingDir", ""),
            oci.get("User", ""),
            list(oci.get("ExposedPorts", {})),
            list(oci.get("Volumes", {})),
            oci.get("StopSignal", ""),
            [History(each["created_by"], each["empty_layer"]) for each in data["history"]],
        )
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not an image configuration: {error}") from error
