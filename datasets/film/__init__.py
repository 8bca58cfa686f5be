"""From films to frames: one pass over each film, diverse frames, splits that share no shot."""
