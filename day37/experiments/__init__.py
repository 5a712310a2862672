"""What a step costs, and what runs when a module is called: one experiment a file."""
