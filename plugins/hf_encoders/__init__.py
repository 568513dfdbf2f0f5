"""Any transformers audio or text model as an encoder: `hf:facebook/wav2vec2-base`, `hf-text:roberta-base`."""
