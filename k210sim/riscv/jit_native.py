"""From LLVM IR to machine code of this host, through llvmlite.

llvmlite releases the interpreter lock while LLVM works, so all of this may run beside the machine.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterable

_linked: list = []  # machine code stays as long as the process: a table of BLOCKs may name it
LEAST_LLVM = 20  # llvmlite 0.45; older ones lack what is used here


class Native:
    """LLVM for this host. Raises RuntimeError when llvmlite is too old or knows no such host."""

    def __init__(self):
        import llvmlite
        import llvmlite.binding as llvm

        if llvm.llvm_version_info[0] < LEAST_LLVM:
            raise RuntimeError(f"llvmlite {llvmlite.__version__} is too old, 0.45 would do")
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._llvm = llvm
        features = llvm.get_host_cpu_features()
        self.fma = bool(features.get("fma"))
        self._triple = llvm.get_process_triple()
        self._cpu, self._features = llvm.get_host_cpu_name(), features.flatten()
        self._target = self.target(opt=1)
        self._linker = llvm.create_lljit_compiler()
        self._lock = threading.Lock()
        parts = (self._triple, self._cpu, self._features, llvmlite.__version__)
        self.identity = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def target(self, opt: int):
        """llvmlite's TargetMachine of this host. opt : 0 to 3, what the code generator spends"""
        return self._llvm.Target.from_triple(self._triple).create_target_machine(
            cpu=self._cpu, features=self._features, opt=opt, reloc="pic", codemodel="small"
        )

    def compile(self, text: str) -> bytes:
        """Object code of a module of LLVM IR."""
        llvm = self._llvm
        module = llvm.parse_assembly(text)
        module.triple = self._triple
        builder = llvm.create_pass_builder(self._target, llvm.PipelineTuningOptions(1))
        passes = llvm.create_new_function_pass_manager()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)
        return self._target.emit_object(module)

    def link(self, codes: dict[str, bytes]) -> dict[str, int]:
        """The addresses of functions. codes : an object for each of them, by their names"""
        return self.link_objects(codes.values(), codes)

    def link_objects(self, objects: Iterable[bytes], names: Iterable[str]) -> dict[str, int]:
        """The addresses of functions of these objects, which may use the C library."""
        with self._lock:
            builder = self._llvm.JITLibraryBuilder()
            for code in objects:
                builder.add_object_img(code)
            for name in names:
                builder.export_symbol(name)
            builder.add_current_process()
            library = builder.link(self._linker, f"regions.{len(_linked)}")
            _linked.append((library, self._linker))
        return {name: library[name] for name in names}


@functools.cache
def shared() -> Native:
    """The one of the process."""
    return Native()
