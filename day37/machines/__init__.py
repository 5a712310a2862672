"""What this machine is, and what was recorded on others."""
