"""Small dents: pin holes of the body, gaps of hair."""
