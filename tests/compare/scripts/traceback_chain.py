# How this ends is part of what is compared.
class Broken(Exception):
    pass


def work():
    try:
        open("/flash/nothere.txt")
    except OSError as e:
        print("caught", e)
        raise Broken("inside", 7)
    finally:
        print("finally")


work()
