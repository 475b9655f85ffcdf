"""The policies that are compared: ours, and the published ones from their formulas."""
