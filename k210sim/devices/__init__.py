"""The K210's peripherals as its programs see them: registers, one file a device."""
