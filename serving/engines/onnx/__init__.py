"""Encoder models on ONNX Runtime: embeddings, classification, spans, reranking."""
