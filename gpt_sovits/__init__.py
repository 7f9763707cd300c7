"""The GPT-SoVITS models: text front end, GPT, SoVITS, synthesis. Knows no DVC, Prefect or MLflow."""
