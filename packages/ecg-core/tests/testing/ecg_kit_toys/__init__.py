"""Components that keep the contract, and one for every check that breaks just that; nobody imports them but these tests."""
