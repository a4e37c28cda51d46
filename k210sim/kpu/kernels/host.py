"""What the processor of this host can do, where numba compiles for it."""


def host_has(*features: str) -> bool:
    """Whether numba compiles for this very host and it has all these LLVM features."""
    import llvmlite.binding as llvm
    import numba

    if numba.config.CPU_NAME or numba.config.CPU_FEATURES or numba.config.DISABLE_JIT:
        return False
    try:
        known = llvm.get_host_cpu_features()
    except RuntimeError:
        return False
    return all(known.get(name) for name in features)
