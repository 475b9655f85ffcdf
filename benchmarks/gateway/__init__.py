"""What the gateway costs, against LiteLLM and the plainest proxies, all over one fast backend."""
