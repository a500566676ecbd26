"""From the server to the facts that rules see."""
