"""What other tools do with the hostile inputs of this folder: ``python tests/hostile/peers`` writes the table."""
