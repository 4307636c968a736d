# pyserini declares torch, transformers and openai for parts that Denseflow does not use.
pip install --no-deps pyserini==1.6.0
