"""What must hold on every FAT volume, told without the code under test's own book-keeping."""

from __future__ import annotations

from k210sim.sd.fat import FatVolume


def check(device, *, lost_clusters: bool = False, short_chains: bool = False) -> dict[str, bytes]:
    """The files of a volume, path -> content. Fails on clusters that two files share, on chains
    that do not fit their file's size, and (unless allowed) on clusters that belong to nothing."""
    volume = FatVolume(device)
    table, place = volume.table, volume.place
    owner: dict[int, str] = {}
    files: dict[str, bytes] = {}

    def claim(first: int, path: str) -> int:
        count = 0
        for cluster in table.chain(first) if first else ():
            assert owner.setdefault(cluster, path) == path, (cluster, path, owner[cluster])
            count += 1
        return count

    def walk(folder: int, path: str) -> None:
        claim(folder or (place.root if place.bits == 32 else 0), path or "/")
        for item in volume.items(folder):
            inner = f"{path}/{item.name}"
            if item.is_dir:
                walk(item.record.cluster, inner)
                continue
            count = claim(item.record.cluster, inner)
            needed = -(-item.record.size // place.cluster_bytes)
            assert count == needed or (short_chains and count > needed), (inner, count, needed)
            assert inner not in files
            with_content = volume.open(inner, 1)
            files[inner] = with_content.read()

    walk(0, "")
    used = place.clusters - table.count_free()
    assert used == len(owner) or (lost_clusters and used > len(owner))
    if place.fats == 2:
        for n in range(place.fat_blocks):
            first, second = place.fat + n, place.fat + place.fat_blocks + n
            assert lost_clusters or device.read_block(first) == device.read_block(second)
    return files
