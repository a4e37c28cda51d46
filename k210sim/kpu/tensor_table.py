"""Every tensor function of kmodel V5 that is executed: name -> function(machine, operands)."""

from k210sim.kpu import tensor_ops, tensor_regions, tensor_select, tensor_sums

EXECUTED = {**tensor_ops.EXECUTED, **tensor_select.EXECUTED, **tensor_sums.EXECUTED,
            **tensor_regions.EXECUTED}
