"""What makes a text's vector of token states, as sentence-transformers writes it down."""
