Fraction = float
