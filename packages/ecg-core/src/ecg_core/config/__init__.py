"""How a component remembers the arguments it was built with. Ground floor: standard library only."""
