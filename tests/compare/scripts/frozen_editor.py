# What the frozen editor holds.
import pye_mp

print(dir(pye_mp))
