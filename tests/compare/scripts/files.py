# Files on /flash and uos, with the numbers of the errors.
import uos as os

print(os.getcwd(), sorted(f for f in os.listdir("/flash") if f.endswith(".txt")))
with open("/flash/a.txt", "w") as f:
    print(f.write("line one\nline two\n\nlast"), f.tell())
with open("a.txt") as f:
    print(f.read(4), f.readline(), f.readlines(), f.read(), f.tell(), f.seek(0), f.readline())
with open("a.txt", "a") as f:
    f.write("+")
with open("a.txt") as f:
    print([line for line in f], os.stat("a.txt")[6], os.stat("/flash/a.txt")[0])
with open("b.bin", "wb") as f:
    print(f.write(bytes(range(256)) * 20), f.flush())
with open("b.bin", "rb") as f:
    print(
        f.seek(300),
        f.read(4),
        f.seek(-2, 2),
        f.read(),
        f.seek(-1, 1),
        f.read(1),
        f.readinto(bytearray(4)),
    )
with open("b.bin", "r+b") as f:
    f.seek(5)
    f.write(b"xyz")
with open("b.bin", "rb") as f:
    print(f.read(10), os.stat("b.bin")[6])
os.rename("b.bin", "c.bin")
print(
    sorted(n for n in os.listdir() if n[0] in "abc" and n != "boot.py"),
    [e[0] for e in os.ilistdir() if e[0] == "c.bin"],
)
os.remove("c.bin")
open("empty.txt", "w").close()
with open("empty.txt") as f:
    print(f.read() == "", os.stat("empty.txt")[6])
for what in (
    "open('nothere')",
    "open('nothere', 'rb')",
    "open('a.txt', 'zz')",
    "os.remove('nothere')",
    "os.rename('nothere', 'x')",
    "os.stat('nothere')",
    "os.listdir('/nothere')",
    "os.chdir('/nothere')",
    "os.mkdir('/flash/d')",
    "os.rmdir('/flash/d')",
    "open('/sd/a')",
    "open('/flash/' + 'n' * 60, 'w')",
    "open('a.txt').write('x')",
    "open('a.txt', 'w').read()",
    "open(5)",
    "os.statvfs('/flash')[0]",
    "os.getcwd()",
    "os.chdir('/')",
    "os.listdir('/')",
    "os.chdir('/flash')",
    "os.ilistdir('/flash')",
    "os.sync()",
    "os.umount('/nothere')",
):
    try:
        v = eval(what)
        print(what, "a file" if "IOWrapper" in repr(v) else v)
    except Exception as e:
        print(what, type(e).__name__, e)
f = open("a.txt")
f.close()
try:
    f.read()
except Exception as e:
    print(type(e).__name__, e)
