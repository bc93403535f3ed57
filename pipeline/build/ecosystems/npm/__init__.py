"""npm: packages of JavaScript, locked by a package-lock.json or by exact versions."""
