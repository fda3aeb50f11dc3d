"""The settings of what is sent to trackers of experiments."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class TrackingSettings(BaseSettings):
    """Which MLflow server gets the runs, and which folder their event files; none of them by default."""

    mlflow_url: str = Field(
        "", max_length=500, description="MLflow tracking server that gets each run, such as http://127.0.0.1:5000."
    )
    mlflow_experiment: str = Field(
        "Meadow", min_length=1, max_length=250, description="MLflow experiment of the runs; created if it is missing."
    )
    mlflow_clients: int = Field(
        20, ge=0, le=1000, description="Maximum number of clients per run that become child runs in MLflow."
    )
    mlflow_token_file: Path | None = Field(
        None, description="File with the access token for MLflow; default: MLFLOW_TRACKING_TOKEN of the environment."
    )

    tensorboard_dir: Path | None = Field(None, description="Folder for TensorBoard's event files of each run.")
    tensorboard_clients: int = Field(
        0, ge=0, le=1000, description="Maximum number of clients per run with event files of their own."
    )

    @field_validator("mlflow_url")
    @classmethod
    def _check_mlflow(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("must be an address that begins with http:// or https://")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("must hold no user name, password or query; MLFLOW_TRACKING_USERNAME and _PASSWORD do")
        return value.rstrip("/")

    def mlflow_authorization(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the header of requests to MLflow; empty without a token and a user name. Raises OSError."""
        token = environment.get("MLFLOW_TRACKING_TOKEN", "").strip()
        if self.mlflow_token_file is not None:
            token = self.mlflow_token_file.read_text().strip()
        if token:
            return f"Bearer {token}"
        user = environment.get("MLFLOW_TRACKING_USERNAME", "")
        pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}" if user else ""
