# How this ends is part of what is compared.
def f(x):
    y = x
      z = y
    return z
