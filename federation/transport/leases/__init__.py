"""Which active run has which client: the one place that lends clients to runs and takes them back."""
