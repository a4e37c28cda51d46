"""kmodel containers: formats declared as records, parse and build, and a writer."""
