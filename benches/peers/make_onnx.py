"""Writes a BERT folder as ONNX for `embed_onnxruntime.py`: f32 and int8, with ONNX Runtime's fused operators.

    pip install torch transformers onnx onnxscript onnxruntime
    python make_onnx.py MODEL_FOLDER OUT_FOLDER

OUT_FOLDER gets `f32.onnx` (attention, embeddings with layer norm, bias with GELU, and sums with layer norm are each one
operator) and `int8.onnx` (the same after `quantize_dynamic` of the linear layers, weights per channel). The export goes
through TorchScript and plain attention: ONNX Runtime 1.31 finds no attention to fuse in what torch's newer exporter
writes.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.filterwarnings("ignore")

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from transformers import AutoModel

NAMES = ["input_ids", "attention_mask", "token_type_ids"]


class TokenVectors(torch.nn.Module):
    """The encoder with positional inputs and one output."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, ids, mask, types):
        return self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    encoder = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.randint(5, 100, (2, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    axes = {name: {0: "batch", 1: "tokens"} for name in [*NAMES, "token_vectors"]}
    plain = str(out / "plain.onnx")
    torch.onnx.export(
        TokenVectors(encoder), (ids, mask, torch.zeros_like(ids)), plain, input_names=NAMES, output_names=["token_vectors"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )
    config = encoder.config
    fused = optimizer.optimize_model(
        plain, "bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size,
        optimization_options=FusionOptions("bert"), opt_level=0, use_gpu=False,
    )
    found = fused.get_fused_operator_statistics()
    assert found["Attention"] == config.num_hidden_layers, f"attention was not fused: {found}"
    fused.save_model_to_file(str(out / "f32.onnx"))
    # The fused operators' types are not inferred; all of their values are floats.
    extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    # Of the settings that were tried the fastest, and with the best cosine but for QUInt8 (2.5 times slower): signed
    # weights per channel, the embeddings left as they are.
    quantize_dynamic(
        out / "f32.onnx", out / "int8.onnx", op_types_to_quantize=["MatMul", "Attention"], per_channel=True,
        weight_type=QuantType.QInt8, extra_options=extra,
    )
    Path(plain).unlink()
    print({name: count for name, count in found.items() if count})


if __name__ == "__main__":
    main()
