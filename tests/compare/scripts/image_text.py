# Text in a picture: where it draws, not which glyphs.
import image, ubinascii, uhashlib

img = image.Image(size=(80, 60))
img.clear()
img.draw_string(5, 5, "Ab1", color=(255, 255, 255), scale=2)
print(ubinascii.hexlify(uhashlib.sha256(img.to_bytes()).digest())[:16])
