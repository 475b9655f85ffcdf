"""The ONNX engine against a plain computation of the same networks."""
