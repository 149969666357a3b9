"""The families of backbones, a module each."""
