"""The HTTP door: OpenAI-compatible `/v1`, native `/api`, health and metrics, over the services of one opened house."""
