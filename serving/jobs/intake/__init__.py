"""What is handed in becomes a job here, or is refused with the field and the fix."""
