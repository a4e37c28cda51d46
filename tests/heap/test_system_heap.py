"""The C library's heap as the firmware sees it."""

from hypothesis import given
from hypothesis import strategies as st

from k210sim.heap.system import HEADER, PAGE, SystemHeap

START, END = 0x80300000, 0x80600000


def test_a_model_leaves_and_returns():
    heap = SystemHeap(START, END)
    before = heap.free_to_top
    model = heap.malloc(400_000)
    assert before - heap.free_to_top in range(400_000, 400_000 + 2 * PAGE)
    heap.free(model)
    assert before - heap.free_to_top <= PAGE


def test_memory_freed_below_a_live_block_still_looks_used():
    heap = SystemHeap(START, END)
    model = heap.malloc(400_000)
    above = heap.malloc(64)
    shown = heap.free_to_top
    heap.free(model)
    assert heap.free_to_top == shown
    assert heap.malloc(390_000) == model, "but it can be had again"
    heap.free(above)


def test_too_large_a_request_changes_nothing():
    heap = SystemHeap(START, END)
    state = heap.save_state()
    assert heap.malloc(END - START) == 0
    assert heap.save_state() == state


@given(st.lists(st.one_of(st.integers(0, 300_000), st.integers(-20, -1)), max_size=60))
def test_blocks_never_overlap_and_freeing_all_gives_all_back(steps):
    heap = SystemHeap(START, END)
    live: list[tuple[int, int]] = []
    for step in steps:
        if step >= 0:
            addr = heap.malloc(step)
            if addr:
                assert addr % 16 == 0 and START <= addr and addr + step <= heap.brk <= END
                assert all(addr + step + HEADER <= a or a + n + HEADER <= addr for a, n in live)
                live.append((addr, step))
        elif live:
            heap.free(live.pop(step % len(live))[0])
    for addr, _ in live:
        heap.free(addr)
    assert heap.used_bytes == 0
    assert heap.malloc(END - START - 2 * PAGE)
