"""Where base models and the judges' weights lie, which `vox pull` and `vox import` bring."""

from pathlib import Path

BASES_FOLDER = Path(__file__).resolve().parents[2] / "base_models"  # beside the packages in a checkout
