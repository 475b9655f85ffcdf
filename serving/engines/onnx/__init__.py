"""Models that read, run by ONNX Runtime: embeddings, classification, spans, reranking."""
