"""The allowed operators, those of models that read; all others are refused."""

STANDARD = frozenset(
    (  # noqa: SIM905 - one per line would hide which are missing
        "Abs Add And ArgMax ArgMin Attention BatchNormalization Cast CastLike Ceil Celu Clip "
        "Concat Constant ConstantOfShape Conv Cos CumSum DequantizeLinear Div Dropout "
        "DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather "
        "GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual "
        "GroupNormalization HardSigmoid HardSwish Identity If InstanceNormalization IsInf IsNaN "
        "LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul MatMulInteger Max "
        "Mean Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QLinearMatMul "
        "QuantizeLinear RMSNormalization Range Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean "
        "ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape RotaryEmbedding Round "
        "ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus "
        "Softsign Split Sqrt Squeeze Sub Sum Swish Tan Tanh Tile TopK Transpose Trilu Unsqueeze "
        "Where Xor"
    ).split()
)
"""Operators of ONNX itself, without loops, randomness or strings."""

MICROSOFT = frozenset(
    (  # noqa: SIM905 - same
        "Attention BiasGelu BiasSplitGelu DynamicQuantizeMatMul EmbedLayerNormalization FastGelu "
        "FusedGemm FusedMatMul Gelu GroupQueryAttention MatMulInteger16 MatMulIntegerToFloat "
        "MatMulNBits MultiHeadAttention PackedAttention QAttention QEmbedLayerNormalization "
        "QuickGelu RotaryEmbedding SimplifiedLayerNormalization SkipLayerNormalization "
        "SkipSimplifiedLayerNormalization"
    ).split()
)
"""ONNX Runtime's operators, which its optimiser and quantizer substitute for several others."""

ALLOWED = {
    "": STANDARD | {"SimplifiedLayerNormalization"},  # written by older optimisers
    "ai.onnx": STANDARD,
    "com.microsoft": MICROSOFT,
}
