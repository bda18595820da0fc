"""What happens to text before it leaves: secrets masked, hostile text made inert, bodies rendered. Pure functions."""
