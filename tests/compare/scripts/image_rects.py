# Rectangles in a small picture.
import image

img = image.Image(size=(64, 48))
img.clear()
img.draw_circle(30, 20, 10, color=(255, 255, 255), fill=True)
img.draw_rectangle(5, 5, 10, 8, color=(255, 0, 0), fill=True)
print(img.to_grayscale().find_rects(threshold=1000))
