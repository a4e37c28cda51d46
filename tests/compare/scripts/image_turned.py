# A turned picture, all of it.
import image

img = image.Image(size=(64, 48))
img.clear()
img.draw_circle(30, 20, 10, color=(255, 255, 255), fill=True)
img.draw_rectangle(5, 5, 10, 8, color=(255, 0, 0), fill=True)
img.rotation_corr(30, 0, 0)
for y in range(0, 48, 4):
    print(y, "red", sum(img.get_pixel(x, y)[0] for x in range(64)))
