"""Checks on question, passages, prompt and output stream. Start with `pipeline.Guard`."""
