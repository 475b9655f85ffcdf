"""What users may use and have used."""
