"""Objectives, the alerts that watch over them, and the dashboard: all made of the metrics' own names."""
