"""The field's networks, by our own definitions, with the names of the authors' weights.

A network is called with the noisy images, float32 (N, C, H, W) with clean values in [0, 1], and
sigma, (N,) on the same scale; it returns the estimates, (N, C, H, W). One that is not told the
noise level ignores sigma. Frames of any size do: where a network needs sides of a multiple, it
pads by reflection and crops back.
"""
