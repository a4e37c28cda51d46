"""`KPU.classifier`: a small k-means classifier over the features of a network.

Behaviour, sizes and the defects of the two `rm_` methods: kpu_api.md 5. Where the board would
touch memory that is not its own, an error says so.
"""

from __future__ import annotations

import struct

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.header import Refusal
from k210sim.micropython.native import GuestType, method
from k210sim.modules import image_object as images
from k210sim.modules.kpu.net import is_net

DEFAULT_FEATURES = 768
_FEATURE_HEAD = struct.Struct("<Iif4x")
EPERM, EINVAL, ENOMEM, ERANGE = 1, 22, 12, 34


class Learner:
    """Host state: class centres and samples, float32 vectors of `features` elements."""

    def __init__(self, net_word: int, classes: int, samples: int, features: int):
        self.net_word = net_word
        self.class_limit, self.sample_limit, self.features = classes, samples, features
        self.classes: list[np.ndarray | None] = [None] * classes
        self.class_count = 0
        self.samples: list[np.ndarray] = []
        self.sample_blocks: list[int] = []
        self.block = 0
        self.spare_freed: set[int] = set()

    def nearest(self, vector: np.ndarray) -> tuple[int, np.float32]:
        """Index of the nearest centre, the lowest on ties, and the distance."""
        best, best_distance = 0, np.float32(np.inf)
        for i in range(self.class_count):
            centre = self.classes[i]
            if centre is not None:
                distance = _distance(centre, vector)
                if distance < best_distance:
                    best, best_distance = i, distance
        return best, best_distance

    def train(self) -> None:
        """k-means until two totals in a row are equal; see the sheet for the exact rounds."""
        def assign():
            return [self.nearest(s) for s in self.samples]

        def total(pairs):
            value = np.float32(0)
            for _, distance in pairs:
                value = np.float32(value + distance)
            return value

        def update(pairs):
            for k in range(self.class_limit):
                members = [s for s, (i, _) in zip(self.samples, pairs, strict=True) if i == k]
                if members:
                    mean = np.zeros(self.features, np.float32)
                    for member in members:
                        mean = mean + member
                    self.classes[k] = mean / np.float32(len(members))

        pairs = assign()
        before = total(pairs)
        update(pairs)
        pairs = assign()
        now = total(pairs)
        for _ in range(10_000):
            if now == before:
                break
            before = now
            update(pairs)
            pairs = assign()
            now = total(pairs)


def _distance(a: np.ndarray, b: np.ndarray) -> np.float32:
    """Square root of a sum accumulated with fused multiply-add, element by element.

    A fused step rounds once; in double the product and sum of two floats are exact enough that
    rounding each step to single gives the same.
    """
    acc = np.float32(0)
    for d in (a - b).tolist():
        acc = np.float32(float(acc) + d * d)
    return np.float32(np.sqrt(acc))


class Classifier(GuestType):
    """`classifier(model, class_num, sample_num, *, fea_len=0)`."""

    name = "classifier"

    def make_new(self, vm, type_word, args, kw):
        if len(args) < 3:
            raise vm.error("ValueError", "model, class num, sample num")
        if not is_net(vm, args[0]):
            raise vm.error("ValueError", "model")
        classes, samples = vm.get_int(args[1]), vm.get_int(args[2])
        features = 0
        if kw:
            key = vm.qstrs.find(b"fea_len")
            if key in kw:
                features = vm.get_int(kw[key])
            elif len(args) > 3:
                features = vm.get_int(args[3])
        vm.kpu.dma = 1
        return _new(vm, args[0], classes, samples, features)

    def finalise(self, vm, o, learner):
        if learner is not None:
            vm.write("classifier __del__\r\n")
            _release(vm, learner)

    @method(1, name="__del__")
    def delete(vm, self):
        vm.write("classifier __del__\r\n")
        _release(vm, _learner(vm, self))

    @method(2, None, kw=True)
    def add_class_img(vm, args, kw):
        learner = _learner(vm, args[0])
        index = -1
        key = vm.qstrs.find(b"idx")
        if len(args) > 2:
            index = vm.get_int(args[2])
        elif key in kw:
            index = vm.get_int(kw[key])
        if index < 0:
            index = learner.class_count
        if index >= learner.class_limit:
            raise vm.os_error(EPERM)
        learner.classes[index] = _features(vm, learner, args[1])
        learner.class_count = max(learner.class_count, index + 1)
        return vm.new_int(index)

    @method(2)
    def add_sample_img(vm, self, img):
        learner = _learner(vm, self)
        if len(learner.samples) >= learner.sample_limit:
            raise vm.os_error(EPERM)
        vector = _features(vm, learner, img)
        block = vm.system_heap.malloc(24 + 4 * learner.features)
        if not block:
            raise vm.os_error(ENOMEM)
        learner.samples.append(vector)
        learner.sample_blocks.append(block)
        return vm.new_int(len(learner.samples) - 1)

    @method(1)
    def rm_class_img(vm, self):
        learner = _learner(vm, self)
        count = learner.class_count
        if count >= learner.class_limit:
            raise vm.error("OSError", "[k210sim]classifier.rm_class_img: with all classes in use "
                           "the board touches memory past its array", formatted=False)
        if count == 0:
            if 0 in learner.spare_freed:
                raise vm.os_error(EPERM)
            learner.spare_freed.add(0)
            return vm.new_int(0)
        learner.class_count = count - 1
        return vm.new_int(count)

    @method(1)
    def rm_sample_img(vm, self):
        learner = _learner(vm, self)
        if not learner.samples:
            raise vm.os_error(EPERM)
        raise vm.error("OSError", "[k210sim]classifier.rm_sample_img: the board frees the wrong "
                       "sample and crashes", formatted=False)

    @method(1)
    def train(vm, self):
        learner = _learner(vm, self)
        filled = sum(c is not None for c in learner.classes[: learner.class_count])
        if filled < learner.class_limit or not learner.samples:
            raise vm.os_error(EPERM)
        learner.train()
        for block in learner.sample_blocks:
            vm.system_heap.free(block)
        learner.samples.clear()
        learner.sample_blocks.clear()

    @method(2)
    def predict(vm, self, img):
        learner = _learner(vm, self)
        if learner.class_count == 0:
            raise vm.os_error(EPERM)
        index, distance = learner.nearest(_features(vm, learner, img))
        return vm.new_tuple([vm.new_int(index), vm.new_float(float(distance))])

    @method(2)
    def save(vm, self, path):
        learner = _learner(vm, self)
        if not vm.is_str(path):
            raise vm.error("ValueError", "path err")
        out = struct.pack("<HH", learner.class_count, learner.sample_limit)
        for i in range(learner.class_count):
            centre = learner.classes[i]
            status = -1.0 if centre is None else 0.0
            vector = np.zeros(learner.features, np.float32) if centre is None else centre
            out += _FEATURE_HEAD.pack(learner.features, i, status) + vector.astype("<f4").tobytes()
        vm.vfs.write_file(vm.text_of(path), out)

    @method(2, None, kw=True, kind="static")
    def load(vm, args, kw):
        if vm.is_instance_of(args[0], Classifier):
            raise vm.error("ValueError", "must be class")
        if not is_net(vm, args[0]):
            raise vm.error("ValueError", "must be model")
        if not vm.is_str(args[1]):
            raise vm.error("ValueError", "path err")
        numbers = [vm.get_int(a) for a in args[2:4]] + [0, 0]
        features = numbers[0] if len(args) > 2 else 0
        key = vm.qstrs.find(b"fea_len")
        if key in kw:
            features = vm.get_int(kw[key])
        data = vm.vfs.read_file(vm.text_of(args[1]))
        stored, samples = struct.unpack_from("<HH", data.ljust(4, b"\0"))
        classes = numbers[0] if numbers[0] > 0 else stored
        samples = numbers[1] if numbers[1] > 0 else samples
        o = _new(vm, args[0], classes, samples, features)
        learner = vm.host(o)
        at = 4
        for i in range(min(classes, stored)):
            head = data[at : at + _FEATURE_HEAD.size].ljust(_FEATURE_HEAD.size, b"\0")
            count = min(_FEATURE_HEAD.unpack(head)[0], 1 << 16)
            at += _FEATURE_HEAD.size
            raw = data[at : at + 4 * count].ljust(4 * learner.features, b"\0")
            learner.classes[i] = np.frombuffer(raw[: 4 * learner.features], "<f4").copy()
            at += 4 * count
        learner.class_count = classes
        return vm.new_tuple([o, vm.new_int(classes), vm.new_int(samples)])


def _new(vm, net_word: int, classes: int, samples: int, features: int) -> int:
    features = features if features > 0 else DEFAULT_FEATURES
    if not (0 < classes <= 4096 and 0 <= samples <= 4096 and features <= 1 << 16):
        raise vm.os_error(EINVAL)
    learner = Learner(net_word, classes, samples, features)
    size = 72 + 8 * (classes + samples) + (classes + 1) * (24 + 4 * features)
    learner.block = vm.system_heap.malloc(size)
    if not learner.block:
        raise vm.os_error(ENOMEM)
    o = vm.new_host_object(Classifier, learner, 64)
    vm.memory.set_word(o + 8, net_word)
    return o


def _learner(vm, o: int) -> Learner:
    if not vm.is_instance_of(o, Classifier):
        raise vm.error("ValueError", "must be obj")
    return vm.host(o)


def _release(vm, learner: Learner) -> None:
    for block in (learner.block, *learner.sample_blocks):
        vm.system_heap.free(block)
    learner.block = 0
    learner.sample_blocks.clear()


def _features(vm, learner: Learner, img: int) -> np.ndarray:
    """Run the net on a picture's AI buffer and take the features from output 0."""
    image = images.get_image(vm, img)
    if image.ai is None:
        raise vm.os_error(EINVAL)
    model = vm.host(learner.net_word)
    if model.net is None:
        raise vm.error("OSError", "[k210sim]classifier: its net was deinitialised", formatted=False)
    try:
        shape = model.net.input_shape()
        raw = np.zeros(int(np.prod(shape)), np.uint8)
        have = image.ai[: raw.size]
        raw[: have.size] = have
        model.net.run(raw.reshape(shape))
        data = model.net.output_bytes(0)
    except Refusal as refusal:
        raise vm.os_error(refusal.code) from None
    except KmodelError:
        raise vm.os_error(2008) from None
    vector = np.zeros(learner.features, np.float32)
    values = data[: data.size // 4 * 4].view("<f4")[: learner.features]
    vector[: values.size] = values
    return vector


