"""What is in the SD slot: cards as blocks, FAT volumes on them, host folders presented as cards.

A **block device** is anything with this protocol; FAT volumes (`fat.py`) and the SPI-mode card of
the riscv engine need no more:

    BLOCK                   512, the size of a block in bytes
    block_count             number of blocks
    read_block(n)           -> bytes, exactly 512; raises CardError outside 0 .. block_count - 1
    write_block(n, data)    data is exactly 512 bytes-like; raises CardError too when the card is
                            write-protected or has no room left
    flush()                 what was written is on the host's disk afterwards

The **slot** (`slot.SdSlot`, `board.sd` and `hardware.sd`) is one itself and there always, card or
no card. It adds

    inserted                True while there is a card
    changes                 a count that every insertion and ejection raises by one; who talks to
                            the card compares it to learn that the card must be initialised again
    insert(path), eject()   from any thread, at any time; taking a card out and putting one in
                            without a power-off is what a user does
    serial                  32 bits that name the card, for its CID register

With no card in it `block_count` is 0 and reading and writing raise `CardError`. Every call takes
the slot's lock: the engine and the user's thread may call at once. A card that was taken out
stays dead: what held on to it (an open file, a mounted volume) gets `CardError` for ever, also
after the same card comes back, as on the device.
"""

BLOCK = 512
TEMPORARY = ".k210sim-"  # how names of files begin that are being written to a host folder
