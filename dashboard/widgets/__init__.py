"""What the pages are put together from: charts, tables, badges, live regions."""
