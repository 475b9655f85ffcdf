"""The operators that models which read are made of, and no other runs here."""

STANDARD = frozenset(
    (  # noqa: SIM905 - a line each would hide which are missing
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
"""Of ONNX itself; no loops, nothing random, no text."""

MICROSOFT = frozenset(
    (  # noqa: SIM905 - same
        "Attention BiasGelu BiasSplitGelu DynamicQuantizeMatMul EmbedLayerNormalization FastGelu "
        "FusedGemm FusedMatMul Gelu GroupQueryAttention MatMulInteger16 MatMulIntegerToFloat "
        "MatMulNBits MultiHeadAttention PackedAttention QAttention QEmbedLayerNormalization "
        "QuickGelu RotaryEmbedding SimplifiedLayerNormalization SkipLayerNormalization "
        "SkipSimplifiedLayerNormalization"
    ).split()
)
"""ONNX Runtime's own, which its optimiser and its quantizer put in the place of several."""

ALLOWED = {
    "": STANDARD | {"SimplifiedLayerNormalization"},  # as older optimisers wrote it
    "ai.onnx": STANDARD,
    "com.microsoft": MICROSOFT,
}
