"""Which operators a graph may use: those that compute classifiers. What runs other code is left out, and so is what
loops for as long as it likes; Scan ends with its input, and is how a graph for one image is run for many.

Packages are held to this list. Plain models may use any operator of the domains that the runtime brings, but for those
that load compiled code from elsewhere.
"""

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"})
"""Any other domain is that of an extension, which is code that nobody has looked at."""
FOREIGN_CODE = frozenset({"EPContext"})
"""Holds what a device's compiler made, to be run as it is."""
STANDARD = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BitShift
    BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat
    Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div
    Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements
    GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample
    GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max
    MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad
    Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
    Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT Scan ScatterElements ScatterND Selu Shape Shrink Sigmoid
    Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh
    ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
    """.split()  # noqa: SIM905 - a list would be one word a line
)
MICROSOFT = frozenset(
    """
    BiasGelu BiasSoftmax DequantizeLinear DynamicQuantizeMatMul FastGelu FusedConv FusedGemm FusedMatMul Gelu
    LayerNormalization MatMulIntegerToFloat MatMulNBits NhwcConv NhwcMaxPool QGemm QLinearAdd QLinearAveragePool
    QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid
    QLinearSoftmax QuantizeLinear QuickGelu SkipLayerNormalization
    """.split()  # noqa: SIM905 - a list would be one word a line
)
OF_PACKAGES = frozenset(
    [
        *((domain, name) for domain in ("", "ai.onnx") for name in STANDARD),
        *(("com.microsoft", name) for name in MICROSOFT),
    ]
)


def objection(domain: str, name: str, *, packaged: bool) -> str | None:
    """Why a graph with this operator is not served; None where it is."""
    operator = f"{domain}.{name}"[:100].removeprefix(".")
    if domain not in DOMAINS:
        return f"uses {operator!r}, an operator of an extension, and none are loaded here"
    if name in FOREIGN_CODE:
        return f"holds code that was compiled elsewhere ({operator}), which is not run"
    if packaged and (domain, name) not in OF_PACKAGES:
        return f"uses {operator!r}, which is not among the operators of packages (service/models/operators.py)"
    return None
