# How this ends is part of what is compared.
print('not reached')
def f(x):
    if x:
        return x +
    return 1
