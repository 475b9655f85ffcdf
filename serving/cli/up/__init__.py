"""`modelyard up`: every service of one machine under one supervisor."""
