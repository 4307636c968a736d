"""The sources of config/datasets/NAME.yaml: one module a type, read by the module of that name in denseflow.dataset."""
