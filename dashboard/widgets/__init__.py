"""Building blocks of the pages: charts, tables, badges and live regions."""
