"""Running kmodel V5 (nncase 1.x), whose network is byte code of a stack machine.

    runtime.py         NetV5: a file's modules and memories; functions of the k210 module: uploads
                       into the AI RAM, KPU layers, downloads
    stack_machine.py   the byte code: scalars, addresses, shape registers, calls
    table.py           name -> tensor function; these are in ops.py (arithmetic, convolutions,
                       shapes), select.py (by index, size, condition), sums.py (from element to
                       element) and regions.py (blocks, regions of a map, boxes)
    views.py           tensors as NumPy views over the memories, every index checked
    plans.py           what a first run did, as steps that later runs repeat without the byte code
    steps.py           tensor functions as such steps, most of them parts of a chain

So a model's first run goes runtime -> stack_machine -> table and notes its steps, and the next ones
runtime -> plans -> the compiled kernels. How a file is read is `kmodel/v5.py` (containers) and
`kmodel/stackvm.py` (instructions); the KPU layers, chains and kernels are those of V3 and V4.
"""
