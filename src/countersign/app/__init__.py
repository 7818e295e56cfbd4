"""The one room where adapters are chosen and joined; the doors talk to nothing below it."""
