"""Who may ask an instance at its own address: the gateway by a secret, others by what opens the service."""
