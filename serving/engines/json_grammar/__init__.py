"""JSON schemas as grammars: every text the grammar allows is JSON that the schema allows."""
