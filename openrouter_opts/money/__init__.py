"""What calls cost, and who keeps count."""
