"""`ulab` 0.262: arrays of up to two dimensions and functions on them.

Facts: Neutree/micropython-ulab c315a57 (the version inside MaixPy v0.6.3), its slips included:
what they show is reproduced, and where they overwrite other memory the call raises NotSimulated.
Arithmetic is single precision with a rounding after every operation; the device's compiler may
fuse a multiplication and an addition, so that its last digit can differ.
"""
