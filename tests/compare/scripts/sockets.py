# usocket without a network.
import network
import usocket

for what in (
    "usocket.socket()",
    "usocket.socket(usocket.AF_INET, usocket.SOCK_STREAM)",
    "usocket.socket().connect(('1.2.3.4', 80))",
    "usocket.socket(9, 9)",
    "usocket.socket().bind",
    "usocket.socket().recv(1)",
    "usocket.socket().send(b'a')",
    "usocket.socket().close()",
    "usocket.foo",
    "usocket.socket().settimeout(1)",
    "usocket.socket()",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
print(dir(usocket), dir(network))
