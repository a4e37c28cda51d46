"""Everything about the flash chip: the chip, its backing file, and what is stored in it."""
