# ulab's functions, every bit of each number.
import struct
import ubinascii
import ulab


def bits(values):
    try:
        flat = list(values)
    except TypeError:
        flat = [values]
    out = []
    for v in flat:
        try:
            out += list(v)
        except TypeError:
            out.append(v)
    packed = struct.pack("<%df" % len(out), *out)
    return ubinascii.hexlify(packed).decode()


numbers = [0.1 * i * i - i for i in range(16)]
a = ulab.array(numbers)
b = ulab.array([1.0 / (i + 1) for i in range(16)])
for name in ("fft", "ifft"):
    for part in getattr(ulab, name)(a, b):
        print(name, bits(part))
print("spectrum", bits(ulab.spectrum(a)))
for name in ("sin", "cos", "tan", "atan", "exp", "expm1", "sinh", "tanh", "asinh", "erf"):
    print(name, bits(getattr(ulab, name)(a)))
for name in ("log", "log2", "log10", "sqrt", "asin", "acos", "gamma", "lgamma"):
    print(name, bits(getattr(ulab, name)(b)))
for name in ("sum", "mean", "std", "min", "max"):
    print(name, bits(getattr(ulab, name)(a)))
print("polyval", bits(ulab.polyval([1.1, -0.7, 0.3, 2.2], a)))
x = ulab.array([0.3, 1.1, 2.7, 3.9, 5.2])
y = ulab.array([1.7, -0.4, 2.2, 7.1, 3.3])
print("polyfit", bits(ulab.polyfit(x, y, 2)))
m = ulab.array([[1.1, 2.3, -0.7], [0.4, -3.3, 1.9], [2.2, 0.1, 0.9]])
print("dot", bits(ulab.dot(m, m)))
print("inv", bits(ulab.inv(m)))
print("det", bits(ulab.det(m)))
s = ulab.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.4], [0.1, -0.4, 3.1]])
values, vectors = ulab.eig(s)
print("eig", bits(values), bits(vectors))
print("linspace", bits(ulab.linspace(0.1, 2.7, 11)))
print("diff", bits(ulab.diff(a)))
print("arithmetic", bits(a * b + a), bits(a / b - 0.7))
