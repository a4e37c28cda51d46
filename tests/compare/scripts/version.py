# What the firmware calls itself.
import uos

print(uos.uname())
