"""What a component must be able to do. A module here needs torch only where its component does."""
