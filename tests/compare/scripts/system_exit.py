# How this ends is part of what is compared.
import sys

print("before")
sys.exit()
print("not reached")
