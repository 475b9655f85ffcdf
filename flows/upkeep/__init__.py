"""What belongs to nothing any more, and whether all places agree about the rest."""
