# Drawing without text, and what the pixels say afterwards.
import image, ubinascii, uhashlib

img = image.Image(size=(80, 60))


def digest(i):
    return ubinascii.hexlify(uhashlib.sha256(i.to_bytes()).digest())[:16]


print(img, img.width(), img.height(), img.format(), img.size(), digest(img))
img.clear()
img.draw_rectangle(5, 5, 40, 30, color=(255, 0, 0), thickness=2, fill=False)
img.draw_rectangle((50, 10, 20, 20), color=0x07E0, fill=True)
img.draw_line(0, 59, 79, 0, color=(0, 0, 255), thickness=3)
print(digest(img))
img.draw_circle(30, 30, 12, color=(255, 255, 0))
img.draw_circle(60, 40, 9, color=(1, 200, 99), fill=True)
img.draw_cross(15, 45, color=(255, 0, 255), size=6, thickness=2)
img.draw_arrow(2, 2, 70, 50, color=(200, 200, 200))
img.draw_ellipse(40, 30, 20, 8, 30, color=(9, 99, 199)) if hasattr(img, "draw_ellipse") else print(
    "no ellipse"
)
print(
    digest(img),
    img.get_pixel(60, 40),
    img.get_pixel(0, 0),
    img.get_pixel(999, 0),
    img.set_pixel(1, 1, (10, 20, 30)).get_pixel(1, 1),
)
print(
    img.get_statistics(), img.get_histogram(bins=4), img.get_statistics(roi=(0, 0, 10, 10)).l_mean()
)
g = img.to_grayscale(copy=True) if 0 else img.copy().to_grayscale()
print(
    g,
    digest(g),
    g.get_pixel(30, 18),
    g.mean if hasattr(g, "mean") else "",
    g.get_histogram().get_threshold(),
    g.get_statistics().mean(),
)
for name, call in (
    ("invert", lambda i: i.invert()),
    ("flood", lambda i: i.flood_fill(0, 0, color=(1, 2, 3))),
    ("binary", lambda i: i.binary([(0, 50, -128, 127, -128, 127)])),
    ("mirror", lambda i: i.replace(i, hmirror=True)),
    ("copy", lambda i: i.copy(roi=(10, 10, 30, 20))),
    ("resize", lambda i: i.resize(40, 30)),
    ("crop", lambda i: i.crop((3, 4, 20, 10)) if hasattr(i, "crop") else i),
    ("gray", lambda i: i.to_grayscale()),
    ("mul", lambda i: i.negate()),
    ("add", lambda i: i.add(i)),
    ("mean", lambda i: i.mean(1)),
    ("median", lambda i: i.median(1)),
    ("gauss", lambda i: i.gaussian(1)),
    ("erode", lambda i: i.erode(1)),
    ("dilate", lambda i: i.dilate(1)),
    ("opened", lambda i: i.open(1)),
):
    try:
        r = call(img.copy())
        print(name, r, digest(r))
    except Exception as e:
        print(name, type(e).__name__, e)
for what in (
    "img.draw_line(1)",
    "img.draw_circle(1, 2)",
    "img.get_pixel(1)",
    "image.Image('/flash/nothere.bmp')",
    "image.Image('/flash/boot.py')",
    "image.Image(size=(0, 5))",
    "img.foo",
    "img.binary(5)",
    "img.copy(roi=(1,))",
    "img.copy(roi=(200, 200, 5, 5))",
    "img.find_blobs([(30, 100, 15, 127, 15, 127)])",
    "img.find_blobs()",
    "img.find_blobs([(60, 100, -128, 127, -128, 127)], pixels_threshold=10)",
    "img.save('/nothere/x.bmp')",
    "img.save('/flash/p.bmp')",
    "image.Image('/flash/p.bmp')",
    "img.to_bytes()[:8]",
    "img[0]",
    "img[4799]",
    "img[4800]",
    "len(img)",
    "img.pix_to_ai()",
    "img.get_statistics().foo",
    "img.width(5)",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
