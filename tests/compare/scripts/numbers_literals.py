# Decimal literals of many digits: the digits are read one by one in single precision.
import ubinascii, ustruct

state = 12345
for n in range(300):
    text = ""
    for place in range(1 + n % 12):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        text += str(state >> 16 & 1023)
        if place == n % 4:
            text += "."
    if "." not in text:
        text += "."
    text += "e%d" % (n % 37 - 30)
    print(text, ubinascii.hexlify(ustruct.pack(">f", float(text))).decode())
print(
    99999.99, "%.3f" % 123456.789, 36.6, 12345678.0, 3.14159265, 0.1 + 0.2, 1e-45, 1e-46, 16777217.0
)
