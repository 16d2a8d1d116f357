"""Networks: plain modules, [B, C, H, W] in, raw outputs [B, K, H, W] out; no training code."""
