"""What is in the SD slot."""
