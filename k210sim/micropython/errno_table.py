"""Error numbers by name, in the order of `uerrno`: for OSError, `uerrno`, and the compiler.

The numbers are those of the firmware's C library (newlib), which differ from Linux's above 100.
Source: micropython v1.11 py/moduerrno.c (names), the published MaixPy v0.6.3 (numbers).
"""

ERRNO = {
    "EPERM": 1, "ENOENT": 2, "EIO": 5, "EBADF": 9, "EAGAIN": 11, "ENOMEM": 12, "EACCES": 13,
    "EEXIST": 17, "ENODEV": 19, "EISDIR": 21, "EINVAL": 22, "EOPNOTSUPP": 95, "EADDRINUSE": 112,
    "ECONNABORTED": 113, "ECONNRESET": 104, "ENOBUFS": 105, "ENOTCONN": 128, "ETIMEDOUT": 116,
    "ECONNREFUSED": 111, "EHOSTUNREACH": 118, "EALREADY": 120, "EINPROGRESS": 119,
}  # fmt: skip
