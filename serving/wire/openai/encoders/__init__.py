"""Shapes of embeddings, classification and reranking."""
