"""More ways out: compiled text, bytecode, memory, time, and what hostile objects can do.

Entries as in techniques.py.
"""

CODE = [
    ("eval_host_name", "eval('vm')", "NameError"),
    ("eval_host_self", "eval('self')", "NameError"),
    ("eval_host_import", "eval(\"__import__('ctypes')\")", "ImportError"),
    ("eval_builtins_empty", "eval(\"__import__('subprocess')\", {'__builtins__': {}})",
     "ImportError"),
    ("eval_statement", "eval('import os')", "SyntaxError"),
    ("exec_globals", "d = {}\nexec('import os', d)\nd['os'].system", "AttributeError"),
    ("exec_locals_host", "exec('locals()[\"vm\"]')", "KeyError"),
    ("exec_wrong_globals", "exec('x = 1', 5)", "TypeError|AttributeError"),
    ("exec_dict_subclass", "class D(dict):\n def __getitem__(self, k): return print\n"
     "exec('system(1)', D())", "NameError|TypeError"),
    ("compile_flags", "compile('1', 'x', 'eval', 0x400)", "TypeError|="),
    ("compile_mode", "compile('1', 'x', 'magic')", "ValueError"),
    ("compile_ast", "compile(object(), 'x', 'exec')", "TypeError"),
    ("compile_code_attributes", "compile('1', 'x', 'eval').co_code", "AttributeError"),
    ("code_type", "type(compile('1', 'x', 'eval'))(0, 0, b'')", "TypeError"),
    ("function_type", "type(lambda: 0)(compile('1', 'x', 'eval'), {})", "TypeError"),
    ("generator_type", "type((i for i in ()))()", "TypeError"),
    ("module_type", "import sys\ntype(sys)('x')", "TypeError"),
    ("type_three", "T = type('T', (int,), {'x': 1})\nprint(T(5).x)", "=1"),
    ("type_bad_bases", "type('T', (1,), {})", "TypeError"),
    ("type_bad_dict", "type('T', (), 5)", "TypeError"),
    ("type_final", "class B(bool): pass", "TypeError|="),
    ("type_function_base", "class F(type(len)): pass", "TypeError"),
    ("type_name_object", "type(object(), (), {})", "TypeError|NotSimulated"),
    ("type_self_base", "class A: pass\nA.__bases__[0].__bases__", "AttributeError|IndexError"),
    ("native_twice", "class A(list, dict): pass", "TypeError"),
    ("deep_source", "eval('(' * 5000 + ')' * 5000)", "RuntimeError|SyntaxError|MemoryError"),
    ("deep_unary", "eval('-' * 20000 + '1')", "RuntimeError|MemoryError|SyntaxError"),
    ("deep_lists", "eval('[' * 3000 + ']' * 3000)", "RuntimeError|SyntaxError|MemoryError"),
    ("deep_blocks", "exec(''.join(' ' * i + 'if 1:\\n' for i in range(200)) + ' ' * 200 + 'x=1')",
     "RuntimeError|SyntaxError|MemoryError|=$"),
    ("deep_attribute", "eval('a' + '.b' * 9000)", "NameError|RuntimeError|MemoryError"),
    ("long_line", "eval('1+' * 20000 + '1')", "=$|MemoryError|RuntimeError"),
    ("constant_folding_power", "eval('9**9**9')", "MemoryError|OverflowError"),
    ("constant_folding_shift", "eval('1 << 10**10')", "MemoryError|OverflowError"),
    ("constant_folding_multiply", "eval('\"a\" * 10**10')", "MemoryError|OverflowError"),
    ("null_in_source", "exec('x = 1\\0; y = 2')", "SyntaxError"),
    ("coding_line", "exec('# -*- coding: rot13 -*-\\nvzcbeg bf')", "NameError|SyntaxError"),
    ("form_feed_source", "exec('\\x0cimport ctypes')", "ImportError|SyntaxError|IndentationError"),
    ("many_arguments", "eval('f(' + '1,' * 3000 + ')', {'f': lambda *a: 1})",
     "RuntimeError|SyntaxError|MemoryError|TypeError"),
    ("keyword_twice", "(lambda **k: 1)(**{'a': 1}, **{'a': 2})", "SyntaxError|TypeError"),
    ("keyword_no_str", "(lambda **k: 1)(**{1: 2})", "TypeError|NotSimulated|=$"),
    ("star_endless", "def g():\n while True: yield 1\nprint(*g())", "MemoryError"),
    ("decorator_builtin", "@open\ndef f(): pass", "TypeError|OSError"),
    ("inherit_from_file", "class F(type(open('/flash/x', 'w'))): pass\nF('SECRET', 'r')",
     "OSError|TypeError|AttributeError"),
]

MEMORY = [
    ("uctypes_below", "import uctypes\nuctypes.bytes_at(0, 16)", "NotSimulated"),
    ("uctypes_above", "import uctypes\nuctypes.bytes_at(0x80800000 - 8, 16)", "NotSimulated"),
    ("uctypes_negative", "import uctypes\nuctypes.bytes_at(-1, 1)", "NotSimulated"),
    ("uctypes_negative_size", "import uctypes\nuctypes.bytes_at(0x80000000, -1)", "NotSimulated"),
    ("uctypes_huge_size", "import uctypes\nuctypes.bytes_at(0x80000000, 1 << 62)", "NotSimulated"),
    ("uctypes_wrapped", "import uctypes\nuctypes.bytes_at((1 << 63) - 4, 8)", "NotSimulated"),
    ("uctypes_beyond_word", "import uctypes\nuctypes.bytes_at(1 << 70, 8)",
     "OverflowError|NotSimulated"),
    ("uctypes_host_pointer", "import uctypes\nuctypes.bytearray_at(0x7f0000000000, 8)[0] = 1",
     "NotSimulated"),
    ("uctypes_struct_outside", "import uctypes\n"
     "uctypes.struct(0x7fff0000, {'x': 0 | uctypes.UINT64}).x = 1", "NotSimulated"),
    ("uctypes_pointer_out", "import uctypes\nb = bytearray(b'\\xff' * 8)\n"
     "uctypes.struct(uctypes.addressof(b), (uctypes.PTR, uctypes.UINT8))[0]", "NotSimulated"),
    ("uctypes_offset_out", "import uctypes\n"
     "uctypes.struct(0x807ffff8, {'x': 0x7ffff | uctypes.UINT8}).x", "NotSimulated"),
    ("uctypes_array_negative", "import uctypes\n"
     "uctypes.struct(0x80000000, (uctypes.ARRAY, 4 | uctypes.UINT32))[-1]",
     "NotSimulated|IndexError"),
    ("uctypes_array_huge", "import uctypes\n"
     "uctypes.struct(0x80300000, {'a': (uctypes.ARRAY, 0x7ffffff | uctypes.UINT8)}).a",
     "NotSimulated"),
    ("uctypes_forged_object", "import uctypes\nx = 1.5\n"
     "uctypes.struct(id(x), {'t': 0 | uctypes.UINT64}).t = 0x41414141\nprint(x)",
     "CorruptedMemory"),
    ("uctypes_forged_string", "import uctypes\ns = 'ab' * 40\n"
     "uctypes.struct(id(s), {'n': 16 | uctypes.UINT64}).n = 1 << 40\nprint(len(s + 'x'))",
     "CorruptedMemory|MemoryError|=.*"),
    ("uctypes_forged_list", "import uctypes\nl = [1] * 40\n"
     "u = uctypes.struct(id(l), {'n': 16 | uctypes.UINT64, 'a': 24 | uctypes.UINT64})\n"
     "u.n = 1 << 50\nu.a = 0x41414140\nprint(l[12345])", "CorruptedMemory|=.*|IndexError"),
    ("uctypes_forged_bytecode", "import uctypes\ndef f(): pass\n"
     "uctypes.struct(id(f), {'c': 16 | uctypes.UINT64}).c = 0x80300001\nf()",
     "CorruptedMemory|MemoryError|TypeError|RuntimeError|NameError|NotSimulated"),
    ("uctypes_forged_native", "import uctypes\nf = [len]\n"
     "uctypes.struct(id(f), {'c': 24 | uctypes.UINT64}).c = 0x80100008\nf[0]()",
     "CorruptedMemory|TypeError|NotSimulated"),
    ("uctypes_wild_stack", "import uctypes\nfor a in range(0x802f7000, 0x802f8000, 8):\n"
     " uctypes.struct(a, {'x': 0 | uctypes.UINT64}).x = 0xffffffffffffffff",
     "CorruptedMemory|TypeError|NotSimulated"),
    ("uctypes_wild_heap_table", "import uctypes, gc\nfor a in range(0x802ffd80, 0x80301000, 8):\n"
     " uctypes.struct(a, {'x': 0 | uctypes.UINT64}).x = 0x5a5a5a5a5a5a5a5a\ngc.collect()\n"
     "x = [bytearray(64) for i in range(99)]",
     "CorruptedMemory|MemoryError|=.*|TypeError|NameError"),
    ("machine_mem", "import machine\nmachine.mem32[0]", "AttributeError"),
    ("machine_mem_write", "import machine\nmachine.mem8[0x50440000] = 1", "AttributeError"),
    ("maix_flash_read", "from Maix import utils\nprint(len(utils.flash_read(1 << 40, 64)))",
     "=64|OverflowError"),
    ("maix_flash_huge", "from Maix import utils\nutils.flash_read(0, 1 << 40)",
     "MemoryError|OverflowError"),
    ("id_forgery", "print(id(1) != id(2))", "=True"),
    ("memoryview_of_str", "memoryview('abc')[0] = 1", "TypeError"),
    ("memoryview_out", "memoryview(bytearray(4))[1 << 40]", "IndexError"),
    ("memoryview_slice_out", "print(bytes(memoryview(b'abc')[1:1 << 60]))", "=b'bc'"),
    ("memoryview_after_free", "b = bytearray(2000)\nm = memoryview(b)\nb += bytes(9000)\n"
     "m[1999] = 7\nprint(len(m))", "=2000"),
    ("memoryview_cast", "memoryview(b'ab').cast('P')", "AttributeError"),
    ("bytearray_grow_in_view", "b = bytearray(8)\nfor x in b:\n"
     " b.append(1)\n if len(b) > 99999: break\nprint('end')", "=end"),
    ("struct_out", "import ustruct\nustruct.unpack_from('<q', b'abcd', 0)", "ValueError|struct"),
    ("struct_negative_offset", "import ustruct\nustruct.unpack_from('<B', b'abcd', -9)",
     "ValueError"),
    ("struct_huge_count", "import ustruct\nustruct.calcsize('99999999999999999999s')",
     "=.*|OverflowError|ValueError|MemoryError"),
    ("struct_pack_huge", "import ustruct\nustruct.pack('999999999s', b'')", "MemoryError"),
    ("struct_pointer_code", "import ustruct\nprint(ustruct.unpack('P', bytes(8)))",
     r"=\(0,\)|ValueError|TypeError"),
    ("struct_object_code", "import ustruct\nprint(ustruct.unpack('O', b'AAAAAAA@'))",
     "=.*|CorruptedMemory|ValueError|TypeError|NotSimulated"),
    ("array_object_code", "import array\na = array.array('O', [1])\nprint(a[0])",
     "=1|ValueError|NotSimulated"),
    ("array_huge", "import array\narray.array('i', range(10**9))",
     "MemoryError"),
    ("huge_list", "[0] * 10**9", "MemoryError"),
    ("huge_list_overflow", "[0] * (1 << 61)", "MemoryError|OverflowError"),
    ("huge_tuple", "(0,) * 10**12", "MemoryError|OverflowError"),
    ("huge_str", "'a' * (1 << 40)", "MemoryError|OverflowError"),
    ("huge_bytes", "bytes(1 << 40)", "MemoryError|OverflowError"),
    ("huge_bytearray", "bytearray(1 << 62)", "MemoryError|OverflowError"),
    ("negative_bytes", "bytes(-1)", "MemoryError|ValueError|OverflowError"),
    ("huge_range_list", "list(range(1 << 40))", "MemoryError"),
    ("huge_dict", "d = {}\ni = 0\nwhile True:\n d[i] = i\n i += 1", "MemoryError"),
    ("huge_set", "s = set()\ni = 0\nwhile True:\n s.add(i)\n i += 1", "MemoryError"),
    ("doubling_str", "s = 'ab'\nwhile True: s += s", "MemoryError"),
    ("doubling_list", "l = [1]\nwhile True: l += l", "MemoryError"),
    ("nesting_list", "l = []\nwhile True: l = [l]", "MemoryError"),
    ("huge_int_power", "9 ** 10**7", "MemoryError"),
    ("huge_int_tower", "x = 3\nwhile True: x = x * x", "MemoryError"),
    ("huge_int_shift", "1 << (1 << 40)", "MemoryError|OverflowError"),
    ("huge_int_text", "x = 1 << 300000\nstr(x)", "MemoryError|=$"),
    ("huge_int_parse", "int('9' * 50000)", "=$|MemoryError"),
    ("huge_int_modpow", "print(pow(3, 10**30, 10**30 + 57) > 0)", "=True"),
    ("huge_join", "','.join(['a' * 1000] * 100000)", "MemoryError"),
    ("huge_replace", "('a' * 5000).replace('a', 'b' * 5000)", "MemoryError"),
    ("intern_flood", "i = 0\nwhile True:\n getattr(object, 'n%d' % i, 0)\n i += 1",
     "MemoryError"),
    ("attribute_flood", "class A: pass\na = A()\ni = 0\nwhile True:\n"
     " setattr(a, 'n%0100d' % i, 0)\n i += 1", "MemoryError"),
    ("class_flood", "l = []\nwhile True:\n l.append(type('T', (), {}))", "MemoryError"),
    ("generator_flood", "def g(): yield\nl = []\nwhile True:\n x = g()\n next(x)\n l.append(x)",
     "MemoryError"),
    ("exception_flood", "l = []\nwhile True:\n try: 1/0\n except Exception as e: l.append(e)",
     "MemoryError"),
    ("thread_flood", "import _thread, time\ndef f():\n while True: time.sleep(1)\n"
     "while True: _thread.start_new_thread(f, ())", "OSError|MemoryError|RuntimeError"),
    ("host_object_flood", "import ure\nl = []\nwhile True: l.append(ure.compile('a'))",
     "MemoryError"),
    ("schedule_flood", "import micropython\nfor i in range(10**4): micropython.schedule(print, i)",
     "RuntimeError|=.*"),
    ("stack_of_frames", "def f(n): return f(n + 1)\nf(0)", "RuntimeError"),
    ("mutual_recursion", "class A:\n def __len__(self): return len(self)\nlen(A())",
     "RuntimeError"),
    ("recursion_in_eq", "class A:\n def __eq__(self, o): return self == o\nA() == A()",
     "RuntimeError"),
    ("recursion_in_hash", "class A:\n def __hash__(self): return hash(self)\n{A(): 1}",
     "RuntimeError"),
    ("recursion_in_repr", "class A:\n def __repr__(self): return repr(self)\nrepr(A())",
     "RuntimeError"),
    ("recursion_in_getattr", "class A:\n def __getattr__(self, n): return getattr(self, n + 'x')\n"
     "A().a", "RuntimeError|MemoryError"),
    ("recursion_in_iter", "class A:\n def __iter__(self): return iter(self)\nlist(A())",
     "RuntimeError"),
    ("recursion_in_sort", "class A:\n def __lt__(self, o): return sorted([self, o])\n"
     "sorted([A(), A()])", "RuntimeError"),
    ("recursion_in_generator", "def g(n):\n yield from g(n + 1)\nlist(g(0))",
     "RuntimeError|MemoryError"),
    ("recursion_in_map", "m = iter([1])\nfor i in range(9999): m = map(lambda x: x, m)\nlist(m)",
     "RuntimeError|MemoryError"),
    ("recursive_equality", "a = []; a.append(a)\nb = []; b.append(b)\na == b", "RuntimeError"),
    ("recursive_json", "import ujson\na = []\na.append(a)\nujson.dumps(a)", "RuntimeError"),
    ("deep_json", "import ujson\nprint(type(ujson.loads('[' * 9000 + ']' * 9000)))",
     "=.*list|MemoryError|RuntimeError|ValueError"),
    ("json_bomb", "import ujson\nujson.loads('[' + '0,' * 10**5 + '0]')", "MemoryError"),
    ("json_number", "import ujson\nujson.loads('1' + '0' * 40000)", "=$|MemoryError|ValueError"),
    ("json_exponent", "import ujson\nprint(ujson.loads('1e999999999'))", "=.*|ValueError"),
    ("zlib_bomb", "import uzlib, ubinascii\nz = b'x\\xda' + "
     "b'\\xec\\xc1\\x01\\x01\\x00\\x00\\x00\\x80'"
     " + b'\\xfa\\xbf' * 2000\nuzlib.decompress(z)", "ValueError|MemoryError|OSError|EOFError"),
    ("zlib_stored_lie", "import uzlib\nuzlib.decompress(b'\\x01\\xff\\xff\\x00\\x00' + b'a' * "
     "9, -15)",
     "ValueError|MemoryError|OSError|EOFError|="),
    ("zlib_far_distance", "import uzlib\nuzlib.decompress(b'\\x63\\x00\\x03\\x40\\x00', -8)",
     "ValueError|OSError|EOFError|=.*"),
    ("base64_huge", "import ubinascii\nubinascii.b2a_base64(bytes(400000))", "MemoryError"),
    ("hash_huge", "import uhashlib\nuhashlib.sha256(bytes(1 << 40))", "MemoryError|OverflowError"),
    ("aes_wrong_key", "import ucryptolib\nucryptolib.aes(b'short', 1)",
     "ValueError|NotSimulated|TypeError"),
    ("deque_huge", "import ucollections\nucollections.deque((), 1 << 40)",
     "MemoryError|OverflowError|ValueError"),
    ("deque_negative", "import ucollections\nucollections.deque((), -5)", "ValueError|MemoryError"),
    ("utimeq_huge", "import utimeq\nutimeq.utimeq(1 << 40)", "MemoryError|OverflowError"),
    ("stringio_seek", "import uio\ns = uio.StringIO()\ns.seek(1 << 40)\ns.write('x')",
     "MemoryError|OSError|OverflowError|=.*"),
    ("bytesio_preallocate", "import uio\nuio.BytesIO(1 << 40)", "MemoryError|OverflowError"),
]

HOSTILE = [
    ("regex_catastrophe", "import ure\nprint(ure.match('(a*)*b', 'a' * 24))",
     "RuntimeError|=None|MemoryError|TIMEOUT"),
    ("regex_nested_plus", "import ure\nprint(ure.match('(a+)+$', 'a' * 40 + 'b'))",
     "RuntimeError|=None|TIMEOUT"),
    ("regex_long", "import ure\nure.compile('a' * 9000)", "=$|ValueError|MemoryError"),
    ("regex_deep_groups", "import ure\nure.compile('(' * 3000 + ')' * 3000)",
     "ValueError|RuntimeError|MemoryError|=$"),
    ("regex_empty_loop", "import ure\nprint(ure.search('()*x', 'y'))", "RuntimeError|=None"),
    ("regex_backreference", "import ure\nure.compile('(?P<a>x)(?P=a)')", "ValueError"),
    ("regex_group_out", "import ure\nure.match('a', 'a').group(1 << 40)", "IndexError"),
    ("regex_hostile_sub", "import ure\nure.sub('a', lambda m: m.group(9), 'aaa')", "IndexError"),
    ("sort_mutates", "l = list(range(50))\ndef k(x):\n l.clear()\n return x\nl.sort(key=k)\n"
     "print('end')", "=end|IndexError|ValueError|NameError"),
    ("sort_grows", "l = list(range(50))\ndef k(x):\n if len(l) < 3000: l.append(x)\n return x\n"
     "l.sort(key=k)\nprint('end')", "=end|IndexError|MemoryError"),
    ("sort_lt_mutates", "class A:\n def __lt__(self, o):\n  l.clear()\n  return True\n"
     "l = [A() for i in range(20)]\nl.sort()\nprint('end')",
     "=end|IndexError|ValueError|NotSimulated"),
    ("sort_never_settles", "class A:\n def __lt__(self, o): return True\n"
     "print(len(sorted(A() for i in range(60))))", "=60|RuntimeError|IndexError"),
    ("list_index_clears", "class A:\n def __eq__(self, o):\n  l.clear()\n  return False\n"
     "l = [A() for i in range(9)]\nprint(A() in l)", "=False|IndexError"),
    ("list_remove_clears", "class A:\n def __eq__(self, o):\n  l.clear()\n  return True\n"
     "l = [A()]\nl.remove(1)", "=$|ValueError|IndexError"),
    ("list_extend_self", "l = [1]\nl.extend(l)\nl.extend(iter(l))", "MemoryError|=$"),
    ("list_grows_while_read", "l = [1]\nfor x in l: l.append(x)", "MemoryError"),
    ("slice_index_mutates", "l = [1, 2, 3]\nclass I:\n def __int__(self):\n  l.clear()\n  "
     "return 2\n"
     "l[I()]", "TypeError|IndexError"),
    ("slice_huge_step", "print([1, 2, 3][::1 << 61])", r"=\[1\]|OverflowError|NotImplementedError"),
    ("slice_store_step", "l = [1, 2, 3]\nl[::2] = l", "NotImplementedError|ValueError"),
    ("slice_self", "l = [1, 2, 3]\nl[1:2] = l\nprint(l)", r"=\[1, 1, .*\]"),
    ("dict_changes_in_eq", "class K:\n def __hash__(self): return 1\n"
     " def __eq__(self, o):\n  d.clear()\n  return False\nd = {}\n"
     "for i in range(9): d[K()] = 1\nprint('end')", "=end|RuntimeError|CorruptedMemory"),
    ("dict_grows_while_read", "d = {1: 1}\nfor k in d:\n d[k + 1] = 1\n if k > 5000: break\n"
     "print('end')", "=end|MemoryError"),
    ("dict_bad_hash", "class K:\n def __hash__(self): return 'x'\n{K(): 1}",
     "TypeError|NotSimulated|=.*"),
    ("dict_huge_hash", "class K:\n def __hash__(self): return 1 << 80\nprint(len({K(): 1}))",
     "=1|OverflowError|TypeError"),
    ("hash_collisions", "d = {}\nfor i in range(600): d[i * 1223 * 27] = i\nprint(len(d))", "=600"),
    ("set_changes_in_hash", "class K:\n def __hash__(self):\n  s.clear()\n  return 1\ns = {1, 2}\n"
     "s.add(K())\nprint('end')", "=end"),
    ("len_lies", "class A:\n def __len__(self): return 1 << 70\nlen(A())",
     "OverflowError|TypeError|=.*"),
    ("len_negative", "class A:\n def __len__(self): return -5\nprint(len(A()), bool(A()))",
     "=-5 .*"),
    ("bool_object", "class A:\n def __bool__(self): return 'x'\nbool(A())", "=.*|TypeError"),
    ("next_endless", "class A:\n def __iter__(self): return self\n def __next__(self): return 1\n"
     "list(A())", "MemoryError"),
    ("iter_of_itself", "class A:\n def __getitem__(self, i): return i\nlist(A())", "MemoryError"),
    ("unpack_endless", "def g():\n while True: yield 1\na, *b = g()", "MemoryError"),
    ("finaliser", "class A:\n def __del__(self): open('SECRET')\nA()\nimport gc\ngc.collect()\n"
     "print('end')", "=end"),
    ("finaliser_resurrects", "keep = []\nclass A:\n def __del__(self): keep.append(self)\n"
     "for i in range(99): A()\nimport gc\ngc.collect()\nprint(len(keep))", "=0"),
    ("getattr_loop", "class A:\n def __getattr__(self, n): return A()\n"
     "print(A().a.b.c.__class__ is A)", "=True"),
    ("setattr_loop", "class A:\n def __setattr__(self, n, v): setattr(self, n, v)\nA().x = 1",
     "RuntimeError|=$"),
    ("generator_reenters", "def g(): yield next(it)\nit = g()\nnext(it)", "ValueError"),
    ("generator_throw_itself", "def g():\n try: yield\n except GeneratorExit: yield\n"
     "x = g()\nnext(x)\nx.close()", "RuntimeError"),
    ("generator_throw_nonsense", "def g(): yield\ng().throw(5)", "TypeError"),
    ("raise_nonsense", "raise 5", "TypeError"),
    ("raise_host_class", "raise SystemExit", "=$"),
    ("exception_args_endless", "class E(Exception):\n def __str__(self): return str(self)\n"
     "print(E())", "RuntimeError"),
    ("with_nonsense", "with 5: pass", "AttributeError"),
    ("exit_swallows", "class C:\n def __enter__(self): pass\n def __exit__(self, *a): return True\n"
     "with C(): open('SECRET')\nprint('end')", "=end"),
    ("keyboard_interrupt_class", "try: raise KeyboardInterrupt\nexcept BaseException: print('end')",
     "=end"),
    ("float_to_int_huge", "int(1e38)", "=$"),
    ("float_nan_int", "int(float('nan'))", "ValueError|OverflowError|=.*"),
    ("float_round", "round(1.5, 10**9)", "=$|OverflowError"),
    ("int_of_bytes_huge", "int.from_bytes(bytes(40000), 'big')", "=$|MemoryError"),
    ("int_to_bytes_huge", "(1).to_bytes(1 << 40, 'big')", "MemoryError|OverflowError"),
    ("int_base", "int('1', 99)", "ValueError"),
    ("chr_out", "chr(1 << 40)", "ValueError|=.*"),
    ("surrogates", "print(len(chr(0xdfff)))", "=1|ValueError|UnicodeError"),
    ("broken_utf8", "str(b'\\xff\\xfe\\x80' * 9, 'utf8')", "UnicodeError"),
    ("image_absurd", "import image\nimage.Image(size=(100000, 100000))",
     "MemoryError|OSError|ValueError"),
    ("image_negative", "import image\nimage.Image(size=(-5, -5))",
     "MemoryError|OSError|ValueError|NotSimulated|=.*"),
    ("image_wrapping_size", "import image\nimage.Image(size=(65536, 65536))",
     "MemoryError|OSError|ValueError|=.*"),
    ("image_pixel_out", "import image\ni = image.Image(size=(8, 8))\n"
     "i.set_pixel(1 << 40, -5, (1, 2, 3))\nprint(i.get_pixel(99, 99))", "=None|OverflowError"),
    ("image_draw_far", "import image\ni = image.Image(size=(8, 8))\n"
     "i.draw_circle(0, 0, 20000)\ni.draw_line((-30000, -9, 30000, 9))\nprint('end')",
     "=end|OverflowError|ValueError"),
    ("image_roi_out", "import image\nimage.Image(size=(8, 8)).copy((900, 900, 10, 10))",
     "OSError|ValueError|AssertionError"),
    ("image_text_huge", "import image\nimage.Image(size=(8, 8)).draw_string(0, 0, 'x' * 3000,"
     " scale=9)\nprint('end')", "=end|ValueError"),
    ("image_scale_huge", "import image\nimage.Image(size=(8, 8)).resize(1 << 20, 1 << 20)",
     "MemoryError|OSError|ValueError"),
    ("jpeg_garbage", "f = open('/flash/g.jpg', 'wb')\n"
     "f.write(b'\\xff\\xd8\\xff\\xc0' + b'\\xff' * 400)\n"
     "f.close()\nimport image\nimage.Image('/flash/g.jpg')",
     "OSError|ValueError|RuntimeError|MemoryError"),
    ("jpeg_absurd_size", "f = open('/flash/g.jpg', 'wb')\n"
     "f.write(b'\\xff\\xd8\\xff\\xc0\\x00\\x11\\x08\\xff\\xff\\xff\\xff\\x03\\x01\\x22'"
     "b'\\x00\\x02\\x11\\x01\\x03\\x11\\x01' + bytes(200))\n"
     "f.close()\nimport image\nimage.Image('/flash/g.jpg')",
     "OSError|ValueError|RuntimeError|MemoryError"),
    ("bmp_absurd_size", "import ustruct\nf = open('/flash/g.bmp', 'wb')\n"
     "f.write(b'BM' + ustruct.pack('<IIIIiiHHIIIIII', 99, 0, 54, 40, 1 << 30, 1 << 30, 1, 24,"
     " 0, 0, 0, 0, 0, 0))\nf.close()\nimport image\nimage.Image('/flash/g.bmp')",
     "OSError|ValueError|RuntimeError|MemoryError"),
    ("bmp_negative_size", "import ustruct\nf = open('/flash/g.bmp', 'wb')\n"
     "f.write(b'BM' + ustruct.pack('<IIIIiiHHIIIIII', 99, 0, 54, 40, -4, -4, 1, 24,"
     " 0, 0, 0, 0, 0, 0))\nf.close()\nimport image\nimage.Image('/flash/g.bmp')",
     "OSError|ValueError|RuntimeError|MemoryError|=.*"),
    ("kpu_null_address", "import KPU\nKPU.load(0)", "ValueError"),
    ("kpu_negative_address", "import KPU\nKPU.load(-5)", "ValueError"),
    ("kpu_wrapping_address", "import KPU\nKPU.load(1 << 32)", "ValueError|OSError"),
    ("kpu_garbage_file", "f = open('/flash/a.kmodel', 'wb'); f.write(b'\\x03\\0\\0\\0' + "
     "b'\\xff' * 300)\n"
     "f.close()\nimport KPU\nKPU.load('/flash/a.kmodel')", "ValueError|OSError"),
    ("kpu_many_layers", "import ustruct\nf = open('/flash/a.kmodel', 'wb')\n"
     "f.write(ustruct.pack('<IIIIIII', 3, 0, 0, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff))\n"
     "f.close()\nimport KPU\nKPU.load('/flash/a.kmodel')", "ValueError|OSError"),
    ("kpu_huge_memory", "import ustruct\nf = open('/flash/a.kmodel', 'wb')\n"
     "f.write(ustruct.pack('<IIIIIII', 3, 0, 0, 0, 0, 0x7fffffff, 0) + bytes(64))\nf.close()\n"
     "import KPU\nKPU.load('/flash/a.kmodel')", "ValueError|OSError"),
    ("kpu_foreign_object", "import KPU\nKPU.forward(5, 5)", "TypeError|OSError|ValueError|="),
    ("ulab_absurd_shape", "import ulab\nulab.zeros((100000, 100000))", "MemoryError|ValueError"),
    ("ulab_negative_shape", "import ulab\nulab.zeros((-1, 5))",
     "MemoryError|ValueError|OverflowError|NotSimulated|=.*"),
    ("ulab_index_out", "import ulab\nulab.array([1, 2])[1 << 40]",
     "IndexError|ValueError|OverflowError|="),
    ("sensor_absurd_window", "import sensor\nsensor.reset()\nsensor.set_windowing((99999, 99999))",
     "ValueError|RuntimeError|OSError|TypeError|=.*"),
    ("lcd_absurd_area", "import lcd\nlcd.init()\nlcd.fill_rectangle(-9, -9, 1 << 20, 1 << 20)\n"
     "print('end')", "=end|ValueError|AttributeError|TypeError|OverflowError"),
    ("sleep_negative", "import time\ntime.sleep_ms(-5)\nprint('end')", "=end"),
    ("sleep_huge", "import time\ntime.sleep_us(1 << 70)", "OverflowError"),
    ("random_absurd", "import urandom\nurandom.getrandbits(1 << 40)",
     "ValueError|OverflowError|=.*"),
    ("urandom_huge", "import os\nos.urandom(1 << 40)", "MemoryError|AttributeError|OverflowError"),
    ("heap_lock_and_fail", "import micropython\nmicropython.heap_lock()\ntry: x = [1] * 99\n"
     "finally: micropython.heap_unlock()", "MemoryError"),
    ("emergency_buffer", "import micropython\n"
     "micropython.alloc_emergency_exception_buf(1 << 40)", "MemoryError|OverflowError"),
    ("stdout_replaced", "import sys\nsys.stdout = 5\nprint('x')", "AttributeError|=.*"),
    ("input_terminal", "import sys\nsys.stdin.buffer.raw.fileno()", "AttributeError"),
    ("dupterm_host", "import os\nos.dupterm(5)", "AttributeError|TypeError|OSError|=.*"),
    ("host_names_in_errors", "try: int([])\nexcept TypeError as e: print('k210sim' in str(e))",
     "=False"),
]
