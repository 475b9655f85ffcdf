"""A small Llama in torch: RMSNorm, rotary positions, grouped-query attention, SwiGLU."""
# torch belongs to the `export` extra, so the type checker may not see it.
# pyright: basic, reportMissingImports=false

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The sizes of the network; rows are multiples of 256, as llama.cpp's K-quants need."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_size(self) -> int:
        return self.width // self.heads


def rotations(shape: NetworkShape) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [context, head_size / 2]."""
    pairs = torch.arange(0, shape.head_size, 2).float() / shape.head_size
    angles = torch.outer(torch.arange(shape.context).float(), shape.rope_base**-pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn neighbouring pairs of [batch, heads, time, head_size], the order GGUF's llama keeps."""
    even = x[..., 0::2]
    odd = x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Attention(nn.Module):
    """Causal attention; several query heads share one key and value head."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        kv_width = shape.kv_heads * shape.head_size
        self.shape = shape
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, kv_width, bias=False)
        self.attn_v = nn.Linear(shape.width, kv_width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.shape.head_size)).transpose(1, 2)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        group = self.shape.heads // self.shape.kv_heads
        q = rotate(self._heads(self.attn_q(x), self.shape.heads), cos, sin)
        k = rotate(self._heads(self.attn_k(x), self.shape.kv_heads), cos, sin)
        v = self._heads(self.attn_v(x), self.shape.kv_heads)
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.attn_output(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Attention, then the gated feed-forward, each added to what it read."""

    def __init__(self, shape: NetworkShape, dropout: float) -> None:
        super().__init__()
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.ffn_gate = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.width, bias=False)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.attn_norm(x), cos, sin))
        y = self.ffn_norm(x)
        return x + self.drop(self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y)))


class Llama(nn.Module):
    """Token ids [batch, time] to logits [batch, time, vocabulary]; input and output share rows."""

    def __init__(self, shape: NetworkShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.drop = nn.Dropout(dropout)
        cos, sin = rotations(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._start(shape)

    def _start(self, shape: NetworkShape) -> None:
        """Small normal weights; those that add to the residual stream smaller with depth."""
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            adds = name.endswith(("attn_output.weight", "ffn_down.weight"))
            nn.init.normal_(weight, std=0.03 / (2 * shape.layers) ** 0.5 if adds else 0.03)

    def forward(self, ids: Tensor) -> Tensor:
        time = ids.shape[1]
        x = self.drop(self.token_embd(ids))
        for block in self.blk:
            x = block(x, self.cos[:time], self.sin[:time])
        return functional.linear(self.output_norm(x), self.token_embd.weight)
