"""The paper's networks, losses and training, and their relatives, each described by a recipe."""
