"""The guest's `KPU` module: loading, running and reading models as the firmware does.

    module.py      the functions, with the firmware's argument checks and messages
    net.py         kpu_net: a loaded model in the system heap, the five slots, error codes
    results.py     kpu_fmap, kpu_yolo2, kpu_yolo2_find, kpu_netinfo_find
    classifier.py  the self-learning classifier type

Behaviour: spec sheet kpu_api.md (every function and message) and the users' document. Where the
two differ both ways of calling work; docs/kpu_differences.md lists them.
"""
