"""SQL of notifications: channels and deliveries."""
