"""What the name of a preset may be. It stands apart, because every stage reads names and few read presets."""

DEFAULT_PRESET = "narration"
PRESET_NAME = r"[a-z][a-z0-9_-]{0,31}"
