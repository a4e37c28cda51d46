"""The host's dot-product peak: the kernel sets' own instructions in a loop of registers only."""

from __future__ import annotations

import time

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels import arm, dot_code  # noqa: F401 - dot_code prepares LLVM

# Kernel set -> (32-bit lanes, chains, instruction, constraints, multiplications per lane).
LOOPS = {
    "vnni": (16, 24, "vpdpbusd $3, $2, $0", "=v,0,v,v", 4),
    "avxvnni": (8, 12, "{vex} vpdpbusd $3, $2, $0", "=x,0,x,x", 4),
    "avx2": (8, 10, "vpmaddwd $2, $1, $0", "=x,x,x", 2),
    "neondot": (4, 24, arm.UDOT, "=w,0,w,w", 4),
    "neon": (4, 24, arm.PAIRS, "=w,0,w,w,~{v31}", 2),
}


def _loop(lanes, chains, code, constraints):
    @intrinsic
    def body(typingctx, count):
        def codegen(context, builder, sig, args):
            i32, i64 = ir.IntType(32), ir.IntType(64)
            vector = ir.VectorType(i32, lanes)
            fused = ",0," in constraints
            dot = ir.InlineAsm(ir.FunctionType(vector, [vector] * (3 if fused else 2)), code,
                               constraints, side_effect=True)
            one = ir.Constant(vector, [0x01010101] * lanes)
            entry, loop = builder.block, builder.append_basic_block("peak.loop")
            done = builder.append_basic_block("peak.done")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(i64)
            k.add_incoming(ir.Constant(i64, 0), entry)
            sums = []
            for _ in range(chains):
                phi = builder.phi(vector)
                phi.add_incoming(ir.Constant(vector, [0] * lanes), entry)
                sums.append(phi)
            after_sums = []
            for total in sums:
                if fused:
                    after_sums.append(builder.call(dot, [total, one, one]))
                else:
                    after_sums.append(builder.add(total, builder.call(dot, [one, one])))
            after = builder.add(k, ir.Constant(i64, 1))
            k.add_incoming(after, loop)
            for phi, value in zip(sums, after_sums, strict=True):
                phi.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", after, args[0]), loop, done)
            builder.position_at_end(done)
            total = after_sums[0]
            for value in after_sums[1:]:
                total = builder.add(total, value)
            return builder.sext(builder.extract_element(total, ir.Constant(i32, 0)), i64)

        return types.int64(types.int64), codegen

    @njit("int64(int64)")
    def run(count):
        return body(count)

    return run


def gmacs(kernels: str, seconds: float = 0.3) -> float | None:
    """Peak of a kernel set's instruction in GMAC/s on one core, best of several tries; None for
    the portable set, which has no instruction of its own."""
    if kernels not in LOOPS:
        return None
    lanes, chains, code, constraints, per_lane = LOOPS[kernels]
    run, count, best = _loop(lanes, chains, code, constraints), 1_000_000, 0.0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.thread_time()
        run(count)
        passed = time.thread_time() - started
        best = max(best, count * chains * lanes * per_lane / passed * 1e-9)
    return best
