"""Prefect flows and the `vox` command line: order, retries, decisions. No tensors."""
