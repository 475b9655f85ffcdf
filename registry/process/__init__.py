"""Start-up of our processes: logs, file permissions and child Python processes."""
