# How this ends is part of what is compared.
def inner(n):
    return [10, 20][n]


class Reader:
    def __init__(self, n):
        self.value = self.read(n)

    def read(self, n):
        return inner(n) if n < 3 else None


def outer(values):
    return [Reader(v).value for v in values]


print(outer((0, 1)))
print(outer((0, 1, 2)))
print("not reached")
