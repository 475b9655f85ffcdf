"""The engine process: reads settings, loads one model, serves HTTP."""
