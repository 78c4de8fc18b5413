"""Who is installed, by name. Ground floor: standard library, pluggy and importlib-metadata only."""
