# _thread: locks, order of results, exceptions in threads.
import _thread, time

lock = _thread.allocate_lock()
print(lock.locked(), lock.acquire(), lock.locked(), lock.acquire(0), lock.release(), lock.locked())
done = []


def work(n, k=0):
    for i in range(3):
        with lock:
            done.append((n, i + k))
        time.sleep_ms(5)


for n in range(2):
    _thread.start_new_thread(work, (n,), {"k": 10})
time.sleep_ms(300)
print(sorted(done), _thread.get_ident() != 0, _thread.stack_size())
for what in (
    "lock.release()",
    "_thread.start_new_thread(work, 5)",
    "_thread.start_new_thread(work)",
    "_thread.foo",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)


def fails():
    raise ValueError("in a thread")


_thread.start_new_thread(fails, ())
time.sleep_ms(200)
_thread.start_new_thread(lambda: print("printed by a thread"), ())
time.sleep_ms(100)
print("end")
