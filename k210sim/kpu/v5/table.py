"""Every tensor function of kmodel V5 that is executed: name -> function(machine, operands)."""

from k210sim.kpu.v5 import ops, regions, select, sums

EXECUTED = {**ops.EXECUTED, **select.EXECUTED, **sums.EXECUTED, **regions.EXECUTED}
