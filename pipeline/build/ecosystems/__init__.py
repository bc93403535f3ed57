"""Where packages come from: one package an ecosystem."""
