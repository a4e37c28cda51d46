"""The two RV64IMAFDC harts of the K210 in machine mode, and the machine around them."""
