"""How the embedded model is made, from nothing, reproducibly. See README.md in this folder."""
