"""What the Flower server reports of connections before they count: who asks to join, and what it refused."""
