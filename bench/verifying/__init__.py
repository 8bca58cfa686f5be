"""Check the harness against figures that papers have printed."""
