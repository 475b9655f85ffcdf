"""Workers, their devices and what is loaded on them, as they last reported."""
