"""Compiled log densities: numba, cached on disk, without the GIL."""
