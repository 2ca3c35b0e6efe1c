"""Green and blue screens: a keyer for such footage, and a camera that makes footage to test it."""
