"""Train the networks of `denoisers.gan`: data, validation, progress and cards."""
